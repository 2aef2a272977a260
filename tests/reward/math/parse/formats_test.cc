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

TEST(MathFormats, AFontAroundAFormulaSaysNothing) {
  for (const std::string font : {"mathbf", "boldsymbol", "bm", "mathrm", "textbf", "underline",
                                 "mathit", "text", "pmb", "emph"}) {
    for (const std::string answer :
         {"\\frac{14}{3}", "\\left(3,\\frac{\\pi}{2}\\right)", "90^\\circ", "x\\in[-2,7]",
          "1\\pm\\sqrt{19}", "\\text{Evelyn}", "4,6,14", "5\\text{ cm}", "10\\%", "11,\\!111",
          "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "x^2+1"}) {
      const std::string wrapped = "\\" + font + "{" + answer + "}";
      EXPECT_TRUE(Same(answer, wrapped)) << wrapped;
      EXPECT_FALSE(Same("\\frac{14}{5}", wrapped)) << wrapped;
    }
  }
  ExpectSame({{"x=\\frac12", "x=\\mathbf{\\frac12}"},
              {"\\frac{\\pi}{2}", "\\mathbf{\\frac12}\\pi"},
              {"\\frac12", "\\mathbf{\\underline{\\frac12}}"},
              {"C", "\\mathbf{C}"},
              {"\\mathbf{R}", "(-\\infty,+\\infty)"}});
  ExpectDifferent({{"\\frac12", "\\mathbf{\\frac13}"}, {"i", "\\mathbf{j}"}});
}

TEST(MathFormats, PowersOfNumbersSideBySideAreAProduct) {
  ExpectSame({{"2^3 3^2", "72"},
              {"2^6 3^5 5^4", "2^6\\cdot3^5\\cdot5^4"},
              {"3^2 5", "45"},
              {"2^{3} 3^{2}", "72"},
              {"2 3^2 5", "90"}});
  ExpectDifferent({{"2^3 3^2", "2^2 3^3"}, {"7 8", "56"}, {"2 3", "6"}});
}

TEST(MathFormats, AnIndexBehindAPowerIsTheBases) {
  ExpectSame(
      {{"x_1^2", "x^2_1"}, {"x_{23}^2", "x^{2}_{23}"}, {"\\int_0^1x\\,dx", "\\int^1_0x\\,dx"}});
  ExpectDifferent({{"x^2", "x^2_{23}"}, {"x^2", "x^2_5"}, {"x^2_1", "x^2_2"}});
}

TEST(MathFormats, CisIsOnTheUnitCircle) {
  ExpectSame({{"2\\text{cis}60^\\circ", "1+i\\sqrt3"},
              {"6\\operatorname{cis}\\frac{\\pi}{2}", "6i"},
              {"3\\,\\mathrm{cis}\\,\\theta", "3e^{i\\theta}"},
              {"2\\angle60^\\circ", "2\\text{cis}60^\\circ"}});
  ExpectDifferent({{"2\\text{cis}60^\\circ", "1-i\\sqrt3"},
                   {"2\\text{cis}30^\\circ", "2\\text{cis}60^\\circ"}});
}

TEST(MathFormats, RepeatingDecimals) {
  ExpectSame({{"1/3", "0.333\\ldots"},
              {"1/3", "0.3333..."},
              {"1/6", "0.1666…"},
              {"1/7", "0.142857142857\\dots"},
              {"1/7", "0.\\dot{1}4285\\dot{7}"},
              {"1/3", "0.\\dot3"},
              {"1/3", "0.3̅"}});
  ExpectDifferent(
      {{"1/3", "0.334..."}, {"1/3", "0.33..."}, {"\\pi", "3.14159..."}, {"0.333", "0.333..."}});
}

TEST(MathFormats, Selections) {
  for (const char* spelled :
       {"C(10,3)", "{}_{10}C_3", "_{10}C_{3}", "{}_{10}\\mathrm{C}_3", "C_{10}^{3}", "C_{10}^3",
        "C^3_{10}", "\\mathrm{C}_{10}^{3}", "10C3", "nCr(10,3)", "{10 \\choose 3}", "120"}) {
    EXPECT_TRUE(Same("\\binom{10}{3}", spelled)) << spelled;
  }
  for (const char* spelled : {"P(10,3)", "{}_{10}P_3", "P_{10}^3", "A_{10}^3", "10P3"}) {
    EXPECT_TRUE(Same("720", spelled)) << spelled;
  }
  ExpectSame({{"C_n^2", "\\frac{n(n-1)}{2}"}, {"C_1^2", "C_1\\cdot C_1"}});
  ExpectDifferent(
      {{"\\binom{10}{3}", "C(10,4)"}, {"(10,3)", "C(10,3)"}, {"C_1^2", "2"}, {"C", "C(10,3)"}});
}

TEST(MathFormats, ANoteOnTheParameterMayBeLeftOut) {
  ExpectSame({{"2n-1", "2n-1(n\\in N^*)"},
              {"k\\pi+\\frac{\\pi}{2}(k\\in\\mathbf{Z})", "k\\pi+\\frac{\\pi}{2}"},
              {"2n-1(n\\in N^*)", "2n-1,\\ n\\in\\mathbb{N}_+"},
              {"a_n=2n-1(n\\in N^*)", "2n-1"},
              {"x\\in R", "\\mathbb{R}"}});
  ExpectDifferent({{"2n-1(n\\in N^*)", "2n+1(n\\in N^*)"},
                   {"2n-1(n\\in N)", "2n-1(n\\in Z)"},
                   {"\\mathbf{Z}", "\\mathbb{R}"}});
}

TEST(MathFormats, PiecewiseFunctions) {
  const char* pieces = "\\begin{cases}1,&n=1\\\\2n,&n\\ge2\\end{cases}";
  for (const char* same : {"a_n=\\begin{cases}1,n=1\\\\2n,n\\geq2\\end{cases}",
                           "\\begin{cases}2n&n\\ge2\\\\1&n=1\\end{cases}",
                           "\\begin{cases}1&\\text{if }n=1\\\\2n&\\text{if }n\\ge2\\end{cases}"}) {
    EXPECT_TRUE(Same(pieces, same)) << same;
  }
  EXPECT_FALSE(Same(pieces, "\\begin{cases}2,&n=1\\\\2n,&n\\ge2\\end{cases}"));
  EXPECT_FALSE(Same(pieces, "\\begin{cases}1,&n\\ge2\\\\2n,&n=1\\end{cases}"));
  ExpectSame({{"\\begin{cases}x=1\\\\y=2\\end{cases}", "x=1,y=2"}});
}

TEST(MathFormats, CharactersOutsideAscii) {
  ExpectSame({{"12", "１２"},
              {"12", "𝟏𝟐"},
              {"12", "١٢"},
              {"12", "१२"},
              {"\\pi", "𝜋"},
              {"x+1", "𝑥＋１"},
              {"\\sqrt[3]{2}", "∛2"},
              {"12", "\u200F12"},
              {"3.5", "٣٫٥"},
              {"(1,2)", "（１，２）"},
              {"IV", "Ⅳ"},
              {"50\\%", "５０％"}});
  ExpectDifferent({{"12", "١٣"}, {"x^2", "x2"}, {"13", "①③"}});
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
