// `cohort problems` from its arguments to what it prints.

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/json_lines.h"
#include "rl/commands/commands.h"

namespace cohort::rl {
namespace {

std::string Problems(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "problems");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  try {
    RunProblems(static_cast<int>(argv.size()), argv.data());
  } catch (const Error& error) {
    testing::internal::GetCapturedStdout();
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return std::string(error.what()) + "; " + error.hint();
  }
  return testing::internal::GetCapturedStdout();
}

TEST(CommandProblems, PrintsARowForEachProblem) {
  const std::string out = Problems({"--kind", "addition", "--count", "3"});
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3);
  const base::Json row = base::Json::parse(out.substr(0, out.find('\n')));
  EXPECT_TRUE(row.contains("prompt") && row.contains("answer") && row.contains("completion"));
}

TEST(CommandProblems, AnUnknownKindIsRefused) {
  EXPECT_EQ(Problems({"--kind", "poetry"}),
            "no problem generator 'poetry'; there are: addition, word_problems");
}

}  // namespace
}  // namespace cohort::rl
