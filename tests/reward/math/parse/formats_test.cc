#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

TEST(MathFormats, LayoutSaysNothing) {
  ExpectSame({{"$\\!6$", "6"},
              {"$6~$", "6"},
              {"$$6$$", "\\(6\\)"},
              {"\\[6\\]", "6."},
              {"**6**", "6"},
              {"{6}", "((6))"},
              {"\\boxed{6}", "6"},
              {"\\mathbf{6}", "\\text{6}"},
              {"\\displaystyle\\dfrac{1}{6}", "\\tfrac16"},
              {"\\left.\\frac16\\right.", "\\frac{1}{6}"},
              {"\\mathrm{e}^{3}", "{\\rm e}^3"},
              {"\\operatorname{sin}x", "\\sin x"},
              {"3 \\\\le x \\\\le 4", "[3,4]"},
              {"sqrt(6)/2", "\\frac{\\sqrt6}{2}"},
              {"2*pi", "2\\pi"},
              {"2^16", "65536"},
              {"\\infty", "∞"}});
}

TEST(MathFormats, WhatDoesNotParseComparesAsTextAndNeverInPart) {
  ExpectSame({{"b_n=2n+\\spadesuit", "b_n = 2n + \\spadesuit"}});
  ExpectDifferent({{"b_n=2n+\\spadesuit", "b_n=2n-\\spadesuit"},
                   {"6", "6\\spadesuit"},
                   {"6", "X6Y7"},
                   {"6", "\\frac{6}{1"},
                   {"6", "6\\cdot\\unknown{1}"},
                   {"(a+3)(b+4)", "(+3)(b+4)"},
                   {"5\\sqrt3", "5"},
                   {"5\\sqrt3", "\\sqrt3"}});
  EXPECT_FALSE(Judge("b_n=2n+\\spadesuit", "6", {}).gold_understood);
  EXPECT_FALSE(Judge("6", "\\spadesuit", {}).pred_understood);
}

TEST(MathFormats, CommasBetweenDigits) {
  ExpectSame({{"4,096", "4096"}, {"12,5", "12.5"}, {"9,100,101,7", "7,9,101,100"}});
  ExpectDifferent({{"4096", "4, 096"}, {"4,09", "409"}, {"4,096", "4.096"}, {"4", "4,096"}});
  Conventions strict;
  strict.decimal_comma = false;
  EXPECT_FALSE(Same("12.5", "12,5", strict));
}

}  // namespace
}  // namespace cohort::reward::math
