#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "reward/code/box/sandbox.h"
#include "rl/commands/commands.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;

std::string OutputOf(std::vector<std::string> arguments, int* status) {
  arguments.insert(arguments.begin(), "doctor");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  *status = RunDoctor(static_cast<int>(argv.size()), argv.data());
  return testing::internal::GetCapturedStdout();
}

int ExpectedStatus() {
  for (const auto& protection : reward::judge::Sandbox::OfThisProcess().protections()) {
    if (protection.needed && !protection.works) return 3;
  }
  return 0;
}

TEST(DoctorCommand, ListsTheSandboxesProtectionsAndEndsWith3WhereOneIsMissing) {
  int status = -1;
  const std::string output = OutputOf({}, &status);
  EXPECT_EQ(status, ExpectedStatus());
  for (const char* const name :
       {"namespaces", "system call filter", "control groups", "user of its own"}) {
    EXPECT_THAT(output, HasSubstr(std::string("code sandbox: ") + name + ": "));
  }
}

TEST(DoctorCommand, SaysWhatTheProcessorReaches) {
  int status = -1;
  const std::string output = OutputOf({}, &status);
  EXPECT_THAT(output, testing::ContainsRegex(
                          "processor: instruction set: .+, memory read at [1-9][0-9]* GB/s"));
  EXPECT_THAT(output, testing::ContainsRegex("processor: bfloat16 products: .+ here: [1-9][0-9]* "
                                             "GFLOP/s in the class [a-z0-9-]+, float32 "
                                             "[1-9][0-9]*, on [1-9][0-9]* threads"));
}

TEST(DoctorCommand, SpeaksJson) {
  int status = -1;
  const auto all = nlohmann::json::parse(OutputOf({"--json"}, &status));
  EXPECT_EQ(status, ExpectedStatus());
  ASSERT_GE(all.size(), 4u);
  for (const auto& finding : all) {
    EXPECT_TRUE(finding["works"].is_boolean());
    EXPECT_FALSE(finding["detail"].get<std::string>().empty()) << finding;
  }
}

}  // namespace
}  // namespace cohort::rl
