#include "rl/records/sample_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

namespace cohort::rl {
namespace {

using testing::HasSubstr;

int Columns(const std::string& line) {
  return static_cast<int>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Shorten, KeepsOneLineOfPrintableText) {
  EXPECT_EQ(Shorten("a\nb\tc\x1b[31m\x7f", 80), "a\\nb\\tc\\x1b[31m\\x7f");
  EXPECT_EQ(Shorten("\xC2\x9B"
                    "31m",
                    80),
            "\\x9b31m")
      << "a C1 control is no escape either";
  EXPECT_EQ(Shorten("a\xff"
                    "b",
                    80),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(Shorten("", 3), "");
}

TEST(Shorten, CutsBetweenCodePoints) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdefg", 6), "abc...");
  EXPECT_EQ(Shorten("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 4), "\xC3\xA9...");
  EXPECT_EQ(Shorten("abcdef", 2), "..");
}

TEST(SampleTable, ShowsEachTermAndFitsTheWidth) {
  const std::string long_text(300, 'x');
  const std::string table =
      SampleTable({{"3+4=", long_text, {{"exact", 1}, {"reward", 0.75}}, 1.25, 12, "stop", 3},
                   {"\xE6\x97\xA5\xE6\x9C\xAC",
                    "7\n",
                    {{"exact", NAN}, {"reward", NAN}},
                    -0.5,
                    256,
                    "length",
                    3}},
                  100);
  const auto lines = Lines(table);
  ASSERT_EQ(lines.size(), 3u);
  for (const std::string& line : lines) EXPECT_LE(Columns(line), 100) << line;
  for (const char* title :
       {"prompt", "completion", "exact", "reward", "advantage", "tokens", "finish", "version"}) {
    EXPECT_THAT(lines[0], HasSubstr(title));
  }
  EXPECT_THAT(lines[1], HasSubstr("xxx..."));
  EXPECT_THAT(lines[1], HasSubstr("+1.25"));
  EXPECT_THAT(lines[2], HasSubstr("failed"));
  EXPECT_THAT(lines[2], HasSubstr("-0.50"));
  EXPECT_EQ(lines[0].find("completion"), 8u) << "a short prompt leaves its room to the completion";
}

TEST(SampleTable, ARewardThatDoesNotApplyLeavesItsCellEmpty) {
  SampleRow first, second;
  first.rewards = {{"python", 1.0}, {"reward", 1.0}};
  second.rewards = {{"python", 0.5}, {"python.style", 0.25}, {"reward", 0.5}};
  const auto lines = Lines(SampleTable({first, second}, 120));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], testing::ContainsRegex("python +python.style +reward"));
  EXPECT_THAT(lines[1], testing::ContainsRegex("1 + 1 +\\+0.00"));
  EXPECT_THAT(lines[2], testing::ContainsRegex("0.5 +0.25 +0.5"));
}

TEST(BeforeAfterTable, ShowsBothAnswersSideBySide) {
  const auto lines = Lines(BeforeAfterTable({{"3+4=", "7", "5", "7", false, true}}, 80));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[1], testing::MatchesRegex("3\\+4= +7 +5 +wrong +7 +right"));
  EXPECT_EQ(BeforeAfterTable({}, 80), "");
}

}  // namespace
}  // namespace cohort::rl
