#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

TEST(MathNumbers, AreOneInEverySpelling) {
  ExpectSame({{"5", "5.0"},
              {"+5", "5"},
              {"007", "7"},
              {"\\frac{6}{8}", "0.75"},
              {"\\frac38", "3/8"},
              {"-\\frac{2}{5}", "\\frac{2}{-5}"},
              {"2\\frac{3}{4}", "2.75"},
              {"-2\\frac34", "-11/4"},
              {"2 3/4", "11/4"},
              {"7{,}654{,}321", "7654321"},
              {"7,654,321", "7\\,654\\,321"},
              {"3{,}5", "3.5"},
              {"4\\times10^{-3}", "0.004"},
              {"4.5e6", "4500000"},
              {"0.\\overline{27}", "\\frac{3}{11}"},
              {"0.1(6)", "\\frac16"},
              {"½", "0.5"},
              {"3√2", "\\sqrt{18}"},
              {"−4", "-4"},
              {"10⁻²", "0.01"},
              {"12 million", "12000000"}});
}

TEST(MathNumbers, NearMissesDiffer) {
  ExpectDifferent({{"9007199254740993", "9007199254740992"},
                   {"2\\frac{3}{4}", "23/4"},
                   {"-2\\frac34", "-5/4"},
                   {"10^{-30}", "10^{-31}"},
                   {"\\frac{1}{50!}", "\\frac{1}{51!}"},
                   {"\\frac{1}{50!}", "0"},
                   {"1.2e-19", "1.3e-19"},
                   {"0.0000004", "0.0000005"},
                   {"12345, 678", "12345678"},
                   {"7 8", "78"},
                   {"7 8", "56"},
                   {"7 million", "7"},
                   {"3.14", "\\pi"},
                   {"\\frac{355}{113}", "\\pi"},
                   {"\\frac00", "0"},
                   {"\\frac50", "5"}});
}

TEST(MathNumbers, ADecimalIsAllowedItsRounding) {
  ExpectSame({{"\\frac{2}{3}", "0.6666667"},
              {"\\sqrt{3}", "1.7320508"},
              {"3", "2.9999999999999996"},
              {"2.7182818", "e"}});
  ExpectDifferent({{"\\frac{2}{3}", "0.6667"},
                   {"\\frac{2}{3}", "66.66667"},
                   {"1234567.1", "1234567.2"},
                   {"\\frac{1000000}{3}", "333333.9"},
                   {"98765432109876543210", "98765432109876543211.0"},
                   {"0", "0.0000001"},
                   {"10^7", "10^7+0.5"},
                   {"e^{50}", "e^{50}+1.5"}});
  // An integer and a decimal of few digits are exact, and so is a value's own decimal.
  ExpectDifferent({{"1000000", "1000000.5"},
                   {"1000000", "1000000.1"},
                   {"5040", "5040.001"},
                   {"1", "0.9999999"},
                   {"123456789", "123456788.9"},
                   {"0.999999", "1.0"},
                   {"0.5", "0.4999999"},
                   {"\\frac12", "0.4999999"},
                   {"5!", "119.99999"},
                   {"10^6", "1000000.1"},
                   {"(1000000,2)", "(1000000.5,2)"},
                   {"x=1000000", "x=1000000.5"},
                   {"1000000x", "1000000.5x"},
                   {"1\\text{ km}", "999.9999\\text{ m}"}});
  ExpectSame(
      {{"1000000", "1000000.0"}, {"0.1", "0.10000000000000001"}, {"1.234567", "1.23456712"}});
  Conventions wide;
  wide.rel_tol = 1e-2;
  EXPECT_TRUE(Same("5", "4.99", wide));
  Conventions strict;
  strict.rel_tol = 0;
  EXPECT_FALSE(Same("\\frac{2}{3}", "0.6666667", strict));
  EXPECT_TRUE(Same("\\frac{2}{5}", "0.4", strict));
}

TEST(MathNumbers, AlgebraicNumbersAreDecidedByTheSeparationBound) {
  const MathJudgement judgement = Judge("\\sqrt{7+2\\sqrt{10}}", "\\sqrt2+\\sqrt5", {});
  EXPECT_EQ(judgement.equality, Equality::kEqual);
  EXPECT_STREQ(judgement.method, "separation bound");
  ExpectSame({{"\\sqrt[3]{-27}", "-3"},
              {"(-27)^{2/3}", "9"},
              {"\\frac{1}{\\sqrt5-2}", "\\sqrt5+2"},
              {"\\sqrt[3]{7+5\\sqrt2}", "1+\\sqrt2"},
              {"\\sqrt{98}", "7\\sqrt2"}});
  // A convergent, alike to 13 digits; and two sums of roots that agree to 37.
  ExpectDifferent({{"\\sqrt{3}", "\\frac{3650401}{2107560}"},
                   {"\\sqrt{1000001}+\\sqrt{1000025}+\\sqrt{1000031}+\\sqrt{1000084}+"
                    "\\sqrt{1000087}+\\sqrt{1000134}+\\sqrt{1000158}+\\sqrt{1000182}+"
                    "\\sqrt{1000198}",
                    "\\sqrt{1000002}+\\sqrt{1000018}+\\sqrt{1000042}+\\sqrt{1000066}+"
                    "\\sqrt{1000113}+\\sqrt{1000116}+\\sqrt{1000169}+\\sqrt{1000175}+"
                    "\\sqrt{1000199}"}});
}

TEST(MathNumbers, TranscendentalNumbersAreComparedInBalls) {
  ExpectSame({{"\\log_3 81", "4"},
              {"\\log_{27} 9", "\\frac23"},
              {"\\ln 6", "\\ln 2+\\ln 3"},
              {"\\sin 120^\\circ", "\\frac{\\sqrt3}{2}"},
              {"\\arctan\\frac12+\\arctan\\frac13", "\\frac{\\pi}{4}"},
              {"\\cos\\frac{\\pi}{5}", "\\frac{1+\\sqrt5}{4}"},
              {"\\cos^{-1}\\frac12", "60^\\circ"},
              {"\\sum_{n=1}^{\\infty}\\frac{1}{n^4}", "\\frac{\\pi^4}{90}"},
              {"\\sum_{n=0}^{\\infty}\\frac{1}{3^n}", "\\frac32"},
              {"\\lim_{x\\to0}\\frac{e^x-1}{x}", "1"}});
  ExpectDifferent({{"\\log_3 10", "\\log_{10} 3"},
                   {"e^{\\pi}", "\\pi^{e}"},
                   {"e^{\\pi\\sqrt{67}}", "147197952744"},
                   {"\\sin(10^{-9})", "10^{-9}"},
                   {"\\sum_{k=0}^{25}\\frac{1}{k!}", "e"},
                   {"\\ln 1000", "3"}});
}

TEST(MathNumbers, TowersOfPowersAreToldApartByResidues) {
  ExpectSame({{"2^{2^{2^{2}}}", "65536"}, {"3^{3^{3^{3}}} \\bmod 10", "7"}});
  ExpectDifferent({{"7^{7^{7^7}}", "7^{7^{7^7}}+1"},
                   {"10^{(3^{3^{3^3}}-4)}", "10^{(3^{3^{3^3}}-5)}"},
                   {"8^{8^8}", "(8^8)^8"},
                   {"900000!", "1"},
                   {"6^{6^{6^{6^6}}}", "6"}});
}

TEST(MathNumbers, ATinyDifferenceBeyondThePrecisionIsNoEquality) {
  EXPECT_EQ(Judge("5", "5+e^{-1000000}", {}).equality, Equality::kUndecided);
  EXPECT_EQ(Judge("5", "5+2^{-1000}", {}).equality, Equality::kUnequal);
  EXPECT_EQ(Judge("5", "5+\\pi 2^{-1500}", {}).equality, Equality::kUnequal);
}

TEST(MathNumbers, ComplexNumbers) {
  ExpectSame({{"2-7i", "-7i+2"},
              {"\\sqrt{-9}", "3i"},
              {"(1-i)^2", "-2i"},
              {"|5-12i|", "13"},
              {"e^{i\\pi/2}", "i"},
              {"\\overline{2+i}", "2-i"},
              {"\\{3i,-3i\\}", "\\pm3i"},
              {"e^{I\\pi}", "-1"}});
  ExpectDifferent({{"2-7i", "2+7i"}, {"2-7i", "2"}, {"i", "-i"}, {"1 \\pm i", "1+i"}});
}

TEST(MathNumbers, NumeralsOfOtherBases) {
  ExpectSame({{"1012_3", "32"},
              {"1012_3", "1012_{3}"},
              {"\\text{1F}_{16}", "31"},
              {"\\text{1F}_{16}", "1F_{16}"}});
  ExpectDifferent(
      {{"1012_3", "1012_4"}, {"1012_3", "10123"}, {"1012_3", "1012"}, {"1F_{16}", "1E_{16}"}});
}

}  // namespace
}  // namespace cohort::reward::math
