// A program with the commands about rewards alone has no LibTorch in it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "rl/commands/commands.h"

namespace cohort::rl {
namespace {

TEST(RewardCommands, NeedNoLibTorch) {
  for (const auto command : {RunDoctor, RunGrade}) ASSERT_NE(command, nullptr);
  const std::string loaded = base::ReadFile("/proc/self/maps");
  ASSERT_THAT(loaded, testing::HasSubstr("libstdc++"));
  EXPECT_THAT(loaded, testing::Not(testing::HasSubstr("libtorch")));
  EXPECT_THAT(loaded, testing::Not(testing::HasSubstr("libc10")));
}

}  // namespace
}  // namespace cohort::rl
