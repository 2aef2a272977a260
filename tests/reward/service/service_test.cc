#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/listen.h"
#include "base/temporary_folder.h"
#include "reward/service/server.h"
#include "tests/reward/client.h"
#include "tests/reward/plugins/python_file.h"
#include "tests/reward/process_watch.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

class RewardServiceTest : public testing::Test {
 protected:
  Server server_{{.workers = 3}};
  Client client_{server_.address()};
};

void ExpectRefusal(const Client::Reply& reply, grpc::StatusCode code, const std::string& text) {
  EXPECT_EQ(reply.status.error_code(), code) << reply.status.error_message();
  EXPECT_THAT(reply.status.error_message(), HasSubstr(text));
  EXPECT_TRUE(reply.verdicts.empty());
}

TEST_F(RewardServiceTest, AnswersEverySampleOnceWithItsComponents) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("last_number", 1);
  *request.add_terms() = MakeTerm("format", 0.5, {{"pattern", ".*\\."}});
  for (uint64_t i = 0; i < 300; ++i) {
    AddSample(&request, 7000 + i, "It is " + std::to_string(i) + (i % 2 == 0 ? "." : ""),
              std::to_string(i - i % 3));
  }
  const Client::Reply reply = client_.Score(request);
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  ASSERT_EQ(reply.verdicts.size(), 300u);
  for (const auto& [id, verdict] : reply.verdicts) {
    const uint64_t i = id - 7000;
    EXPECT_EQ(verdict.status(), STATUS_OK);
    EXPECT_DOUBLE_EQ(verdict.score(), (i % 3 == 0 ? 1 : 0) + (i % 2 == 0 ? 0.5 : 0)) << i;
    ASSERT_EQ(verdict.components_size(), 2);
    EXPECT_EQ(verdict.components(0).name(), "last_number");
    EXPECT_EQ(verdict.components(1).score(), i % 2 == 0 ? 1 : 0);
  }
}

TEST_F(RewardServiceTest, CarriesCompletionsThatAreNotUtf8) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("last_number");
  AddSample(&request, 1, "\xFF\xC3 5", "5");
  AddSample(&request, 2, "\xFF\xC3 5\xFF 6", "5");
  const Client::Reply reply = client_.Score(request);
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.verdicts.at(1).score(), 1);
  EXPECT_EQ(reply.verdicts.at(2).score(), 0);
}

TEST_F(RewardServiceTest, ABadPluginSampleLeavesTheOthersUntouched) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("custom", 1, {{"path", TestPlugin("misbehaves")}});
  request.set_sample_deadline_ms(300);
  const std::pair<const char*, Status> acts[] = {
      {"fine", STATUS_OK},   {"hang", STATUS_TIMEOUT}, {"also fine", STATUS_OK},
      {"nan", STATUS_ERROR}, {"abort", STATUS_CRASH},  {"good", STATUS_OK},
  };
  for (uint64_t id = 0; id < 60; ++id) AddSample(&request, id, acts[id % 6].first);
  const Client::Reply reply = client_.Score(request);
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  ASSERT_EQ(reply.verdicts.size(), 60u);
  for (const auto& [id, verdict] : reply.verdicts) {
    EXPECT_EQ(verdict.status(), acts[id % 6].second) << acts[id % 6].first << verdict.detail();
    if (verdict.status() == STATUS_OK) {
      EXPECT_EQ(verdict.score(), 1);
    }
  }
}

TEST_F(RewardServiceTest, KeepsAPluginsProcessesFromCallToCall) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("custom", 1, {{"path", TestPlugin("vowel_share")}});
  AddSample(&request, 1, "aaa");
  ASSERT_TRUE(client_.Score(request).status.ok());
  const int children = CountProcesses("").children;
  EXPECT_GE(children, 1);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client_.Score(request).verdicts.at(1).score(), 1);
  EXPECT_EQ(CountProcesses("").children, children);
}

TEST_F(RewardServiceTest, RefusesAnUnknownRewardNamingTheNearest) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("last_numbr");
  AddSample(&request, 1, "5", "5");
  ExpectRefusal(client_.Score(request), grpc::StatusCode::INVALID_ARGUMENT,
                "did you mean 'last_number'?");
}

TEST_F(RewardServiceTest, RefusesAPluginThatDoesNotLoad) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("custom", 1, {{"path", TestPlugin("no_score")}});
  AddSample(&request, 1, "5");
  ExpectRefusal(client_.Score(request), grpc::StatusCode::INVALID_ARGUMENT,
                "exports no function cohort_reward_score");
}

TEST_F(RewardServiceTest, RefusesRequestsThatMakeNoSense) {
  ScoreRequest request;
  AddSample(&request, 1, "5", "5");
  ExpectRefusal(client_.Score(request), grpc::StatusCode::INVALID_ARGUMENT, "terms is empty");
  *request.add_terms() = MakeTerm("last_number");
  AddSample(&request, 1, "6", "6");
  ExpectRefusal(client_.Score(request), grpc::StatusCode::INVALID_ARGUMENT,
                "samples[1].sample_id 1 occurs twice");
  request.mutable_samples()->RemoveLast();
  request.mutable_terms(0)->set_weight(std::nan(""));
  ExpectRefusal(client_.Score(request), grpc::StatusCode::INVALID_ARGUMENT, "terms[0].weight");
  request.mutable_terms(0)->set_weight(1);
  request.set_sample_deadline_ms(4'000'000'000u);
  ExpectRefusal(client_.Score(request), grpc::StatusCode::INVALID_ARGUMENT, "sample_deadline_ms");
  request.set_sample_deadline_ms(0);
  request.mutable_samples(0)->set_completion(std::string((16 << 20) + 1, 'x'));
  ExpectRefusal(client_.Score(request), grpc::StatusCode::INVALID_ARGUMENT,
                "samples[0], bytes of a text");
  request.mutable_samples(0)->set_completion("5");
  for (uint64_t id = 2; id < 65'538; ++id) AddSample(&request, id, "");
  ExpectRefusal(client_.Score(request), grpc::StatusCode::INVALID_ARGUMENT, "samples, count");
}

TEST_F(RewardServiceTest, AnswersARequestWithoutSamples) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("last_number");
  const Client::Reply reply = client_.Score(request);
  EXPECT_TRUE(reply.status.ok());
  EXPECT_TRUE(reply.verdicts.empty());
}

TEST_F(RewardServiceTest, ACancelledCallFreesItsWorkers) {
  ScoreRequest slow;
  *slow.add_terms() = MakeTerm("custom", 1, {{"path", TestPlugin("misbehaves")}});
  slow.set_sample_deadline_ms(60'000);
  for (uint64_t id = 0; id < 50; ++id) AddSample(&slow, id, "hang");
  const Client::Reply cut = client_.Score(slow, /*deadline_ms=*/300);
  EXPECT_EQ(cut.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);

  ScoreRequest quick;
  *quick.add_terms() = MakeTerm("last_number");
  AddSample(&quick, 1, "5", "5");
  const auto start = steady_clock::now();
  EXPECT_EQ(client_.Score(quick).verdicts.at(1).score(), 1);
  EXPECT_LT(steady_clock::now() - start, milliseconds(5000));
}

TEST_F(RewardServiceTest, ServesManyCallsAtOnce) {
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 8; ++caller) {
      callers.emplace_back([&, caller] {
        Client client(server_.address());
        for (int call = 0; call < 10; ++call) {
          ScoreRequest request;
          *request.add_terms() = MakeTerm("exact_answer");
          for (uint64_t id = 0; id < 40; ++id) {
            const std::string text = std::to_string(caller * 1000 + call * 100 + id);
            AddSample(&request, id, text, text);
          }
          for (const auto& [id, verdict] : client.Score(request).verdicts)
            right += verdict.score() == 1;
        }
      });
    }
  }
  EXPECT_EQ(right, 8 * 10 * 40);
}

TEST_F(RewardServiceTest, DescribesItsRewardsAndItsHealth) {
  grpc::ClientContext describe;
  DescribeReply rewards;
  ASSERT_TRUE(client_.stub().Describe(&describe, {}, &rewards).ok());
  ASSERT_EQ(rewards.rewards_size(), static_cast<int>(RegisteredRewards().size()));
  EXPECT_EQ(rewards.rewards(0).name(), "last_number");
  EXPECT_THAT(rewards.rewards(0).options(0), HasSubstr("after: "));

  ScoreRequest request;
  *request.add_terms() = MakeTerm("last_number");
  for (uint64_t id = 0; id < 5; ++id) AddSample(&request, id, "5", "5");
  client_.Score(request);
  grpc::ClientContext health;
  HealthReply reply;
  ASSERT_TRUE(client_.stub().Health(&health, {}, &reply).ok());
  EXPECT_TRUE(reply.serving());
  EXPECT_EQ(reply.samples_scored(), 5u);
}

HealthReply HealthOf(Client& client) {
  grpc::ClientContext context;
  HealthReply reply;
  EXPECT_TRUE(client.stub().Health(&context, {}, &reply).ok());
  return reply;
}

TEST_F(RewardServiceTest, HealthTellsProgressFromAStandstill) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("custom", 1, {{"path", TestPlugin("misbehaves")}});
  request.set_sample_deadline_ms(2'000);
  AddSample(&request, 1, "hang");
  AddSample(&request, 2, "fail");
  AddSample(&request, 3, "unparseable");
  EXPECT_EQ(HealthOf(client_).since_progress_ms(), 0u);
  std::jthread caller([&] { Client(server_.address()).Score(request); });
  HealthReply stuck;
  for (int i = 0; i < 500 && (stuck.samples_failed() < 2 || stuck.since_progress_ms() == 0); ++i) {
    std::this_thread::sleep_for(milliseconds(10));
    stuck = HealthOf(client_);
  }
  EXPECT_EQ(stuck.samples_scored(), 2u);
  EXPECT_EQ(stuck.samples_failed(), 2u);
  EXPECT_EQ(stuck.samples_running(), 1u);
  EXPECT_EQ(stuck.samples_waiting(), 0u);
  EXPECT_GT(stuck.since_progress_ms(), 0u);
  caller.join();
  const HealthReply idle = HealthOf(client_);
  EXPECT_EQ(idle.samples_failed(), 3u);
  EXPECT_EQ(idle.samples_running(), 0u);
  EXPECT_EQ(idle.since_progress_ms(), 0u);
}

TEST_F(RewardServiceTest, ARepeatedRequestIsAnsweredAsBeforeWithoutTheRewardBeingAskedAgain) {
  const PythonFile file(
      "calls = 0\n"
      "def reward(completion, **columns):\n"
      "  global calls\n"
      "  calls += 1\n"
      "  return calls\n");
  ScoreRequest request;
  *request.add_terms() = MakeTerm("python", 1, {{"path", file.path()}, {"workers", "1"}});
  for (uint64_t id = 0; id < 20; ++id) AddSample(&request, id, "completion " + std::to_string(id));
  const auto first = client_.Score(request).verdicts;
  ASSERT_EQ(first.size(), 20u);
  const auto second = client_.Score(request).verdicts;
  for (const auto& [id, verdict] : first) EXPECT_EQ(second.at(id).score(), verdict.score()) << id;
  (*request.mutable_terms(0)->mutable_options())["cache"] = "false";
  const auto fresh = client_.Score(request).verdicts;
  const auto again = client_.Score(request).verdicts;
  for (const auto& [id, verdict] : fresh) EXPECT_NE(again.at(id).score(), verdict.score()) << id;
}

// Each of its processes would give the sample a number of its own.
TEST_F(RewardServiceTest, EqualSamplesOfCallsAtOnceAreJudgedOnce) {
  const PythonFile file(
      "import os, time\n"
      "def reward(completion, **columns):\n"
      "  time.sleep(0.3)\n"
      "  return time.monotonic_ns() + os.getpid()\n");
  ScoreRequest request;
  *request.add_terms() = MakeTerm("python", 1, {{"path", file.path()}, {"workers", "3"}});
  for (uint64_t id = 0; id < 4; ++id) AddSample(&request, id, "the same");
  std::set<double> scores;
  std::mutex mutex;
  std::vector<std::jthread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      const auto verdicts = client_.Score(request).verdicts;
      const std::lock_guard lock(mutex);
      EXPECT_EQ(verdicts.size(), 4u) << "each id has its verdict";
      for (const auto& [id, verdict] : verdicts) scores.insert(verdict.score());
    });
  }
  callers.clear();
  EXPECT_EQ(scores.size(), 1u);
}

TEST_F(RewardServiceTest, AnInputThatBrokeThePluginTwiceIsNotTriedAgain) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("custom", 1, {{"path", TestPlugin("misbehaves")}});
  AddSample(&request, 1, "abort");
  AddSample(&request, 2, "fine");
  for (int i = 0; i < 4; ++i) {
    const auto verdicts = client_.Score(request).verdicts;
    EXPECT_EQ(verdicts.at(1).status(), STATUS_CRASH);
    EXPECT_EQ(verdicts.at(1).detail().find("quarantined") != std::string::npos, i >= 2) << i;
    EXPECT_EQ(verdicts.at(2).score(), 1);
  }
}

TEST_F(RewardServiceTest, RewardsOfOneNameAreComponentsOfTheirOwn) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("format", 1, {{"pattern", "a"}});
  *request.add_terms() = MakeTerm("format", 1, {{"pattern", "b"}});
  AddSample(&request, 1, "a");
  const Verdict verdict = client_.Score(request).verdicts.at(1);
  EXPECT_EQ(verdict.components(0).name(), "format");
  EXPECT_EQ(verdict.components(1).name(), "format#2");
}

TEST(RewardServer, RefusesATakenPort) {
  Server first({});
  try {
    Server second({.listen = first.address()});
    FAIL() << "two services on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_THAT(error.what(), HasSubstr("cannot listen on " + first.address()));
  }
}

TEST(RewardServer, ListensOnAUnixSocketAndRefusesALiveOne) {
  const std::string address =
      "unix:" + testing::TempDir() + "reward_" + std::to_string(getpid()) + ".sock";
  Server first({.listen = address});
  EXPECT_EQ(first.address(), address);
  EXPECT_THROW(Server({.listen = address}), Error);
  ScoreRequest request;
  *request.add_terms() = MakeTerm("last_number");
  AddSample(&request, 1, "5", "5");
  EXPECT_EQ(Client(address).Score(request).verdicts.at(1).score(), 1);
}

TEST(RewardServer, StaysOnLoopbackUnlessToldOtherwise) {
  for (const char* address : {"0.0.0.0:0", "[::]:0", "192.0.2.1:0", "127.evil.example:0"}) {
    EXPECT_FALSE(base::IsLoopback(address));
    EXPECT_THROW(Server({.listen = address}), Error) << address;
  }
  for (const char* address : {"127.0.0.1:0", "localhost:1", "[::1]:0", "unix:/x"}) {
    EXPECT_TRUE(base::IsLoopback(address)) << address;
  }
  for (const char* address :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "unix:"}) {
    EXPECT_THROW(Server({.listen = address}), Error) << address;
  }
}

// Beyond loopback such a request is scored where plug-ins are allowed, else refused.
void ExpectTrustedOnly(const ScoreRequest& request, const std::string& refusal) {
  for (const bool allowed : {false, true}) {
    Server server({.listen = "0.0.0.0:0", .insecure_listen = true, .allow_plugins = allowed});
    const std::string port = server.address().substr(server.address().rfind(':'));
    const Client::Reply reply = Client("127.0.0.1" + port).Score(request);
    if (allowed) {
      EXPECT_EQ(reply.verdicts.at(1).score(), 1);
    } else {
      ExpectRefusal(reply, grpc::StatusCode::INVALID_ARGUMENT, refusal);
    }
  }
}

TEST(RewardServer, LoadsNoPluginsBeyondLoopbackUnlessToldTo) {
  ScoreRequest request;
  *request.add_terms() = MakeTerm("custom", 1, {{"path", TestPlugin("vowel_share")}});
  AddSample(&request, 1, "aaa");
  ExpectTrustedOnly(request, "loads no plug-ins");
}

TEST(RewardServer, ReadsNoFileThatARequestNamesBeyondLoopback) {
  const base::TemporaryFolder folder;
  ScoreRequest request;
  *request.add_terms() =
      MakeTerm("json_schema", 1, {{"path", folder.Write("schema.json", R"({"type":"array"})")}});
  AddSample(&request, 1, "[]");
  ExpectTrustedOnly(request, "the option 'path'");
}

}  // namespace
}  // namespace cohort::reward
