#include "reward/text/decimal.h"

#include <gtest/gtest.h>

namespace cohort::reward {
namespace {

TEST(Decimal, HasOneFormForEachValue) {
  const std::pair<const char*, const char*> equal[] = {
      {"1", "1.000"}, {"10", "1e1"}, {"0.1", ".1"}, {"100e-2", "1"},
      {"-0", "0"},    {"0e5", "0"},  {"5.", "5"},   {"00120", "1.2E+2"}};
  for (const auto& [a, b] : equal) EXPECT_EQ(ParseDecimal(a), ParseDecimal(b)) << a << " " << b;
  const std::pair<const char*, const char*> different[] = {
      {"1", "-1"}, {"1", "10"}, {"0.1", "0.01"}, {"12", "21"}, {"1e999999", "1e999998"}};
  for (const auto& [a, b] : different) EXPECT_NE(ParseDecimal(a), ParseDecimal(b)) << a << " " << b;
}

TEST(Decimal, RefusesWhatIsNotANumber) {
  for (const char* text : {"", "-", ".", "e5", "1e", "1e+", "1x", "1 ", "--1", "1e1234567", "1.2.3",
                           "0x10", "nan", "inf"}) {
    EXPECT_FALSE(ParseDecimal(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace cohort::reward
