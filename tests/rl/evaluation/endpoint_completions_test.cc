#include "rl/evaluation/endpoint_completions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/fake_endpoint.h"

namespace cohort::rl {
namespace {

using base::FakeEndpoint;
using base::Says;
using ::testing::HasSubstr;

std::vector<std::vector<std::string>> Ask(const FakeEndpoint& server, size_t problems, int samples,
                                          std::chrono::milliseconds deadline) {
  std::vector<Problem> asked(problems);
  for (size_t i = 0; i < problems; ++i) asked[i].prompt = "What is " + std::to_string(i) + "?";
  EndpointSampling sampling;
  sampling.samples = samples;
  sampling.connections = 1;  // so that the replies come in order
  sampling.deadline = deadline;
  base::ChatEndpoint endpoint = base::OpenChatEndpoint(base::ParseUrl(server.url()), "m", "");
  endpoint.headers["Authorization"] = "Bearer k";
  return AskEndpoint(endpoint, asked, sampling);
}

constexpr std::chrono::milliseconds kLong{20'000};

TEST(AskEndpoint, AsksForEverySampleOfEveryProblem) {
  FakeEndpoint server({Says("a"), Says("b"), Says("c"), Says("d")});
  const auto completions = Ask(server, 2, 2, kLong);
  EXPECT_EQ(completions, (std::vector<std::vector<std::string>>{{"a", "b"}, {"c", "d"}}));
  ASSERT_EQ(server.requests().size(), 4u);
  EXPECT_EQ(server.requests()[0]["Authorization"], "Bearer k");
  const auto body = nlohmann::json::parse(server.requests()[3].body());
  EXPECT_EQ(body["model"], "m");
  EXPECT_EQ(body["messages"][0]["content"], "What is 1?");
  EXPECT_EQ(body["seed"], 1);
}

TEST(AskEndpoint, AsksAgainWhereTheEndpointIsBusy) {
  FakeEndpoint server({{429, "slow down"}, Says("a")});
  EXPECT_EQ(Ask(server, 1, 1, kLong)[0][0], "a");
}

TEST(AskEndpoint, NamesTheProblemThatCannotBeHad) {
  FakeEndpoint server({Says("a"), {404, "no such model"}});
  try {
    Ask(server, 2, 1, kLong);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("problem 2: HTTP 404: no such model"));
  }
}

TEST(AskEndpoint, EndsAtTheDeadline) {
  FakeEndpoint server({{503, "busy"}, {503, "busy"}, {503, "busy"}});
  EXPECT_THROW(Ask(server, 1, 1, std::chrono::milliseconds(400)), Error);
}

}  // namespace
}  // namespace cohort::rl
