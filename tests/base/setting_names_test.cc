#include "base/setting_names.h"

#include <gtest/gtest.h>

namespace cohort::base {
namespace {

const std::vector<SettingName> kNames = {
    {"a.size", "--size"}, {"a.chat=false", "no --chat"}, {"a.chat", "--chat"}};

TEST(SettingNames, AKeyBecomesTheFlagWithItsValueBehindIt) {
  EXPECT_EQ(InOwnWords("raise a.size (now 3), or a.size=9", kNames),
            "raise --size (now 3), or --size 9");
  EXPECT_EQ(InOwnWords("a.chat=false, or a.chat=true.", kNames), "no --chat, or --chat true.");
}

TEST(SettingNames, PartsOfOtherWordsStay) {
  for (const char* text : {"a.sizes", "ba.size", "x.a.size", "/a.size", "a.size.json", ""}) {
    EXPECT_EQ(InOwnWords(text, kNames), text);
  }
  EXPECT_EQ(InOwnWords("lower a.size.", kNames), "lower --size.");
}

TEST(SettingNames, MessageAndHintOfAnErrorKeepTheirCode) {
  const Error error =
      InOwnWords(Error(ErrorCode::kEnvironment, "a.size is 0", "give a.size"), kNames);
  EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
  EXPECT_STREQ(error.what(), "--size is 0");
  EXPECT_EQ(error.hint(), "give --size");
}

}  // namespace
}  // namespace cohort::base
