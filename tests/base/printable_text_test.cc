#include "base/printable_text.h"

#include <gtest/gtest.h>

namespace cohort::base {
namespace {

struct PrintableCase {
  const char* text;
  const char* kept;     // with line breaks
  const char* escaped;  // on one line; null: the same
};

// Control characters by ISO 6429, bidirectional ones by Unicode's annex 9.
const PrintableCase kCases[] = {
    {"plain text, \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80 \\x1b",
     "plain text, \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80 \\x1b", nullptr},
    {"a\nb\tc", "a\nb\tc", "a\\nb\\tc"},
    {"\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07", nullptr},
    {"over\rwritten\b\v\f", "over\\x0dwritten\\x08\\x0b\\x0c", nullptr},
    {"\x7f", "\\x7f", nullptr},
    {"\xC2\x80\xC2\x9B\x33\x31m\xC2\x9F\xC2\xA0", "\\x80\\x9b\x33\x31m\\x9f\xC2\xA0", nullptr},
    {"\x9b\x33\x31m", "\xEF\xBF\xBD\x33\x31m", nullptr},  // a C1 control of one byte
    {"ok\xff", "ok\xEF\xBF\xBD", nullptr},
    {"\xE2\x80\xAA\xE2\x80\xAE\xE2\x81\xA6\xE2\x81\xA9", "\\u202a\\u202e\\u2066\\u2069", nullptr},
    {"\xE2\x80\xA9\xE2\x80\xAF\xE2\x81\xA5\xE2\x81\xAA",
     "\xE2\x80\xA9\xE2\x80\xAF\xE2\x81\xA5\xE2\x81\xAA", nullptr},  // beside them
    {"\xE2\x80", "\xEF\xBF\xBD\xEF\xBF\xBD", nullptr},
    {"", "", nullptr},
};

TEST(PrintableText, ShowsWhatATerminalWouldObey) {
  for (const PrintableCase& text : kCases) {
    EXPECT_EQ(PrintableText(text.text), text.kept);
    EXPECT_EQ(PrintableText(text.text, LineBreaks::kEscaped),
              text.escaped == nullptr ? text.kept : text.escaped);
    EXPECT_EQ(PrintableText(text.kept), text.kept) << "a second pass changes nothing";
  }
  EXPECT_EQ(PrintableText(std::string_view("\0", 1)), "\\x00");
}

TEST(PrintableJson, EscapesWhatJsonLeavesAsItIs) {
  EXPECT_EQ(PrintableJson("{\"a\": \"\x7f\xC2\x9B\xE2\x80\xAE\xE6\x97\xA5\"}"),
            "{\"a\": \"\\u007f\\u009b\\u202e\xE6\x97\xA5\"}");
}

}  // namespace
}  // namespace cohort::base
