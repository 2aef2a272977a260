#include "reward/code/output_compare.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace cohort::reward::judge {
namespace {

bool Same(const std::string& compare, const std::string& output, const std::string& expected) {
  return SameOutput(ParseCompare(compare), output, expected);
}

TEST(OutputCompare, LinesForgiveBlanksAtTheirEndsOnly) {
  EXPECT_TRUE(Same("lines", "1 2\n3\n", "1 2\n3"));
  EXPECT_TRUE(Same("lines", "1 2  \r\n3\n\n\n", "1 2\n3\n"));
  EXPECT_TRUE(Same("", "", "\n"));
  EXPECT_FALSE(Same("lines", "1  2\n3\n", "1 2\n3\n"));
  EXPECT_FALSE(Same("lines", " 1 2\n3\n", "1 2\n3\n"));
  EXPECT_FALSE(Same("lines", "1 2 3\n", "1 2\n3\n"));
  EXPECT_FALSE(Same("lines", "1 2\n\n3\n", "1 2\n3\n"));
}

TEST(OutputCompare, APrefixOrAnExtensionIsWrong) {
  for (const char* const compare : {"lines", "exact", "tokens", "float:1e-6"}) {
    EXPECT_FALSE(Same(compare, "1\n", "1\n2\n")) << compare;
    EXPECT_FALSE(Same(compare, "1\n2\n", "1\n")) << compare;
    EXPECT_FALSE(Same(compare, "", "1\n")) << compare;
    EXPECT_FALSE(Same(compare, "1\n", "")) << compare;
  }
}

TEST(OutputCompare, ExactIsByteByByte) {
  EXPECT_TRUE(Same("exact", std::string("a\0b\n", 4), std::string("a\0b\n", 4)));
  EXPECT_FALSE(Same("exact", "a\n", "a"));
  EXPECT_FALSE(Same("exact", std::string("a\0b", 3), std::string("a\0c", 3)));
}

TEST(OutputCompare, TokensForgiveAllWhiteSpace) {
  EXPECT_TRUE(Same("tokens", "1\n2\t3", " 1 2 3\n"));
  EXPECT_FALSE(Same("tokens", "12 3", "1 2 3"));
  EXPECT_FALSE(Same("tokens", "1.0", "1"));
}

TEST(OutputCompare, FloatsAreWithinTheTolerance) {
  EXPECT_TRUE(Same("float:1e-6", "3.14159265 x 1e3", "3.141592 x 1000"));
  EXPECT_TRUE(Same("float:1e-6", "1000000.5", "1000000.0")) << "relative to large numbers";
  EXPECT_FALSE(Same("float:1e-6", "3.1416", "3.141592"));
  EXPECT_FALSE(Same("float:1e-6", "3.141592y", "3.141592"));
  EXPECT_FALSE(Same("float:1e-6", "0x1p1", "2"));
  EXPECT_TRUE(Same("float:0", "2.0", "2"));
}

TEST(OutputCompare, IntegersAreEqualOrNotWhateverTheTolerance) {
  EXPECT_FALSE(Same("float:1e-6", "1000000000", "1000000007"));
  EXPECT_FALSE(Same("float:1e-6", "1000001", "1000000"));
  EXPECT_FALSE(Same("float:1e-6", "123456789012345678901", "123456789012345678900"));
  EXPECT_FALSE(Same("float:1e-6", "1000000007.0", "1000000000")) << "it rounds to another";
  EXPECT_FALSE(Same("float:1e-6", "-5", "5"));
  EXPECT_TRUE(Same("float:1e-6", "007", "7"));
  EXPECT_TRUE(Same("float:1e-6", "+7 -0", "7 0"));
  EXPECT_TRUE(Same("float:1e-6", "0.9999999", "1")) << "a real number that was printed short";
  EXPECT_TRUE(Same("float:1e-6", "123456789012.00003", "123456789012"));
  EXPECT_TRUE(Same("float:1e-6", "1000000001", "1000000000.5")) << "no integer is expected";
  EXPECT_FALSE(Same("float:1e-3", "999.5", "1000")) << "as near to 999";
}

TEST(OutputCompare, NanAndInfinityNeverComeClose) {
  for (const char* const output : {"nan", "-nan", "NaN", "inf", "-inf", "infinity", "1e999"}) {
    EXPECT_FALSE(Same("float:1e-6", output, "3.0")) << output;
    EXPECT_FALSE(Same("float:1e300", output, "3.0")) << output;
  }
  EXPECT_FALSE(Same("float:1e-6", "nan", "0"));
  EXPECT_TRUE(Same("float:1e-6", "inf", "inf"));
  EXPECT_FALSE(Same("float:1e-6", "inf", "-inf"));
}

TEST(OutputCompare, UnknownNamesAreRefused) {
  for (const char* const text :
       {"line", "float", "float:", "float:x", "float:-1", "float:nan", "float:1e-6 "}) {
    EXPECT_THROW(ParseCompare(text), Error) << text;
  }
}

}  // namespace
}  // namespace cohort::reward::judge
