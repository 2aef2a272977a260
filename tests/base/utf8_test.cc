#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace cohort::base {
namespace {

using namespace std::string_literals;

TEST(Utf8, BadSequencesAreWhatTheUnicodeStandardSays) {  // Unicode 15, table 3-7
  for (const char* good : {"", "a", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << bad;
    EXPECT_FALSE(IsValidUtf8("long enough to skip by eight "s + bad));
  }
}

TEST(Utf8, RepairReplacesEachStrayByteAndKeepsTheRest) {
  EXPECT_EQ(RepairUtf8("a\xC2\xA2z"), "a\xC2\xA2z");
  EXPECT_EQ(RepairUtf8("a\xFFz\x80"), "a\xEF\xBF\xBDz\xEF\xBF\xBD");
  EXPECT_EQ(RepairUtf8("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(RepairUtf8("a\0b"s), "a\0b"s);
}

TEST(Utf8, AnUnfinishedCodePointAtTheEndIsKnown) {
  EXPECT_EQ(UnfinishedUtf8Suffix(""), 0u);
  EXPECT_EQ(UnfinishedUtf8Suffix("a\xC3\xA9"), 0u);
  EXPECT_EQ(UnfinishedUtf8Suffix("a\xC3"), 1u);
  EXPECT_EQ(UnfinishedUtf8Suffix("\xE4\xBD"), 2u);
  EXPECT_EQ(UnfinishedUtf8Suffix("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(UnfinishedUtf8Suffix("\xED\xA0"), 0u) << "a surrogate can never be finished";
  EXPECT_EQ(UnfinishedUtf8Suffix("\x80\xFF"), 0u);
}

TEST(Utf8, EveryCodePointComesBackAsItWasAppended) {
  for (uint32_t value = 0; value <= 0x10FFFF; value += value < 0x3000 ? 1 : 251) {
    if (value >= 0xD800 && value < 0xE000) continue;
    std::string text;
    AppendUtf8(value, &text);
    const CodePoint point = DecodeUtf8(text, 0);
    ASSERT_EQ(point.value, value);
    ASSERT_EQ(point.length, text.size());
  }
}

}  // namespace
}  // namespace cohort::base
