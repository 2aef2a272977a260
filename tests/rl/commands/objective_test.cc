// `cohort objective` from its input file to what it prints.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/temporary_folder.h"
#include "rl/commands/commands.h"

namespace cohort::rl {
namespace {

using base::Json;
using testing::HasSubstr;

// On policy, two samples with rewards 1 and 0: A = +-0.5 / sqrt(0.5), and the gradient is -A / 3.
constexpr const char* kCase =
    R"({"objective": {"preset": "dapo"}, "groups": [{"rewards": [1, 0],
"policy_logprobs": [[-0.5, -1.2], [-0.3]], "old_logprobs": null, "rollout_logprobs": null,
"ref_logprobs": null}]})";

struct Outcome {
  int status = 0;
  std::string out;
  std::string error;
};

Outcome RunOn(const std::string& input, bool as_json = true) {
  const base::TemporaryFolder folder;
  std::vector<std::string> arguments = {"objective", "--input", folder.Write("case.json", input)};
  if (as_json) arguments.push_back("--json");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  Outcome outcome;
  testing::internal::CaptureStdout();
  try {
    outcome.status = RunObjective(static_cast<int>(argv.size()), argv.data());
  } catch (const Error& error) {
    outcome.status = ExitStatus(error.code());
    outcome.error = error.what();
  }
  outcome.out = testing::internal::GetCapturedStdout();
  return outcome;
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

TEST(CommandObjective, PrintsOneObjectWithWhatTheContractNames) {
  const Json result = Json::parse(RunOn(kCase).out);
  EXPECT_NEAR(result["advantages"][0][0].get<double>(), 0.5 / (std::sqrt(.5) + 1e-6), 1e-12);
  EXPECT_NEAR(result["grad"][0][1][0].get<double>(), 0.5 / (std::sqrt(.5) + 1e-6) / 3, 1e-12);
  EXPECT_NEAR(result["loss"].get<double>(), -0.5 / (std::sqrt(.5) + 1e-6) / 3, 1e-12);
  EXPECT_EQ(result["metrics"]["clip_fraction"], 0);
}

TEST(CommandObjective, AnswersJsonLinesLineByLine) {
  const Outcome outcome = RunOn(OneLine(kCase) + "\n\n" + OneLine(kCase) + "\n");
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2);
}

TEST(CommandObjective, WithoutJsonItExplainsTheFormula) {
  EXPECT_THAT(RunOn(kCase, false).out, HasSubstr("max(-A rho, -A clip(rho, 0.8, 1.28))"));
}

TEST(CommandObjective, AMalformedFileIsNamed) {
  for (const char* text : {"", "not json", "[1]", "{\"objective\":", "{\"loss\": 1e999}"}) {
    const Outcome outcome = RunOn(text);
    EXPECT_EQ(outcome.status, 2) << text;
    EXPECT_THAT(outcome.error, HasSubstr("case.json")) << text;
  }
}

TEST(CommandObjective, AMalformedLineIsNamedByItsNumber) {
  EXPECT_THAT(RunOn(OneLine(kCase) + "\n{\"groups\": []}\n").error,
              HasSubstr("case.json:2: objective is missing"));
}

TEST(CommandObjective, ANumberThatIsNotFiniteIsRefused) {
  std::string text = kCase;
  text.replace(text.find("-1.2"), 4, "NaN");
  EXPECT_EQ(RunOn(text).status, 2);
}

}  // namespace
}  // namespace cohort::rl
