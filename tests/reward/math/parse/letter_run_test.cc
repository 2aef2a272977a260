#include "reward/math/parse/letter_run.h"

#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

TEST(MathLetterRun, TheLettersOfAWordHaveAnOrder) {
  ExpectDifferent({{"SSA", "SAS"},
                   {"HTH", "HHT"},
                   {"ACBD", "ABCD"},
                   {"no", "on"},
                   {"ASA", "AAS"},
                   {"IX", "XI"},
                   {"xiv", "xvi"},
                   {"Tom", "Mot"},
                   {"dog", "god"},
                   {"RGB", "BGR"},
                   {"ten", "net"},
                   {"AB", "BA"},
                   {"TTH", "HTT"},
                   {"\\text{SSA}", "SAS"},
                   {"SSA", "\\mathrm{SAS}"},
                   {"HTH, TTT", "HHT, TTT"},
                   {"(AB,CD)", "(BA,DC)"}});
}

TEST(MathLetterRun, AWordHasNoCase) {
  ExpectSame({{"Yes", "yes"},
              {"NO", "no"},
              {"Tom", "TOM"},
              {"odd", "\\text{Odd}"},
              {"SSA", "ssa"},
              {"Ann", "ann"},
              {"IX", "ix"},
              {"red, Sun", "SUN, Red"}});
  ExpectDifferent({{"yes", "no"}, {"ab", "AB"}, {"xy", "XY"}, {"Tom", "Tim"}});
}

TEST(MathLetterRun, AProductOfVariablesHasNoOrder) {
  ExpectSame({{"xy", "yx"},
              {"abc", "bca"},
              {"mn", "nm"},
              {"ma", "am"},
              {"xy", "x\\cdot y"},
              {"6st", "6ts"},
              {"2AB", "2BA"},
              {"cd", "dc"},
              {"AB", "A\\cdot B"}});
  EXPECT_FALSE(SameLetterRun("xy", "yx").has_value());
}

TEST(MathLetterRun, SeveralOptionsAreOneRowOfLetters) {
  ExpectSame({{"ABD", "A, B, D"}, {"A,C", "AC"}, {"ABD", "\\{A,B,D\\}"}, {"BD", "B and D"}});
  ExpectDifferent({{"ABD", "A, B"},
                   {"AC", "A or C"},
                   {"ABCD", "ABD"},
                   {"AB", "A,B,C"},
                   {"BA", "A,B"},
                   {"xy", "x,y"}});
}

}  // namespace
}  // namespace cohort::reward::math
