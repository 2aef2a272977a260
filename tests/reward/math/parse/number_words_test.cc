#include "reward/math/parse/number_words.h"

#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

TEST(MathNumberWords, Cardinals) {
  EXPECT_EQ(NumberInWords("forty-two"), 42);
  EXPECT_EQ(NumberInWords("Two thousand and five"), 2005);
  EXPECT_EQ(NumberInWords("one hundred twenty three million"), 123'000'000);
  EXPECT_FALSE(NumberInWords("two three").has_value());
  EXPECT_FALSE(NumberInWords("forty two or three").has_value());
}

TEST(MathNumberWords, OrdinalsFractionsAndBothForms) {
  ExpectSame({{"3", "3rd"},
              {"3", "third"},
              {"21", "twenty-first"},
              {"21", "21st"},
              {"12", "12^{\\text{th}}"},
              {"20", "twentieth"},
              {"1/2", "one half"},
              {"1/2", "a half"},
              {"3/4", "three quarters"},
              {"2/3", "two-thirds"},
              {"\\frac{7}{100}", "seven hundredths"},
              {"2.5", "two and a half"},
              {"42", "forty-two (42)"},
              {"42", "42 (forty-two)"},
              {"-5", "negative five"},
              {"24", "two dozen"},
              {"100", "a hundred"}});
  ExpectDifferent({{"3", "4th"},
                   {"3", "a third"},
                   {"1/3", "third"},
                   {"42", "forty-two (43)"},
                   {"6", "6st"},
                   {"2/3", "three halves"}});
  Conventions strict;
  strict.number_words = false;
  EXPECT_FALSE(Same("1/2", "one half", strict));
}

TEST(MathNumberWords, RatiosAndChances) {
  ExpectSame({{"3:4", "3 \\text{ to } 4"},
              {"3:4", "three to four"},
              {"1/4", "1 in 4"},
              {"1/4", "one in four"},
              {"3/10", "3 out of 10"},
              {"\\frac{1}{1000}", "1 in 1,000"},
              {"\\binom{10}{3}", "10 choose 3"}});
  ExpectDifferent({{"3:4", "4 to 3"}, {"1/4", "1 in 5"}, {"4", "1 in 4"}, {"[3,4]", "3 to 4"}});
}

}  // namespace
}  // namespace cohort::reward::math
