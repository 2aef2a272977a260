#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

TEST(MathExpressions, PolynomialsAndRationalFunctions) {
  ExpectSame({{"(x-2)^2", "x^2-4x+4"},
              {"x(x+y)", "x^2+xy"},
              {"(a+b)(a-b)", "a^2-b^2"},
              {"\\frac{x^2-9}{x+3}", "x-3"},
              {"\\frac{1}{a}-\\frac{1}{b}", "\\frac{b-a}{ab}"},
              {"x**3 - 1", "(x-1)(x^2+x+1)"},
              {"0.5x", "\\frac{x}{2}"},
              {"x_1x_2", "x_2 x_1"},
              {"x^{2000}", "(x^{1000})^2"},
              {"3\\alpha+\\beta", "\\beta+\\alpha\\cdot3"},
              {"pq", "qp"}});
  ExpectDifferent({{"(x-2)^2", "x^2-4x+5"},
                   {"(x-2)^2", "(y-2)^2"},
                   {"x^{2000}", "x^{2001}"},
                   {"(x+y+z)^{50}", "(x+y+z)^{49}(x+y+2z)"},
                   {"x_1", "x_2"},
                   {"x_1", "x"},
                   {"xy", "x"}});
}

TEST(MathExpressions, LettersAreNeverTakenForUnits) {
  ExpectDifferent({{"5m", "5"}, {"5m", "5s"}, {"3h+2", "3+2"}, {"7cd", "7"}, {"2g", "2"}});
  ExpectSame({{"5m", "m\\cdot5"}, {"7cd", "7dc"}});
}

TEST(MathExpressions, RealIdentities) {
  ExpectSame({{"\\sin 2t", "2\\sin t\\cos t"},
              {"\\cos^2 t-\\sin^2 t", "\\cos 2t"},
              {"\\sin(a+b)", "\\sin a\\cos b+\\cos a\\sin b"},
              {"1+\\tan^2 t", "\\sec^2 t"},
              {"\\sin^{-1}t", "\\arcsin t"},
              {"\\ln t^3", "3\\ln t"},
              {"\\ln a-\\ln b", "\\ln\\frac{a}{b}"},
              {"e^{3\\ln t}", "t^3"},
              {"2^{n+3}", "8\\cdot2^n"},
              {"\\sqrt{t^2}", "|t|"},
              {"t^{3/2}", "t\\sqrt t"},
              {"\\sqrt{t-300}", "\\frac{t-300}{\\sqrt{t-300}}"},
              {"\\sqrt a\\sqrt b", "\\sqrt{ab}"},
              {"\\sqrt{\\frac1t}", "\\frac{1}{\\sqrt t}"},
              {"\\frac{e^t+e^{-t}}{2}", "\\cosh t"},
              {"\\min(a,b)", "\\frac{a+b-|a-b|}{2}"},
              {"e^{it}", "\\cos t+i\\sin t"}});
  ExpectDifferent({{"\\sin 2t", "2\\sin t"},
                   {"\\sin t^2", "\\sin^2 t"},
                   {"\\sin^{-1}t", "\\frac{1}{\\sin t}"},
                   {"\\sqrt{t^2}", "t"},
                   {"\\sqrt{a^2+b^2}", "a+b"},
                   {"\\ln(a+b)", "\\ln a+\\ln b"},
                   {"\\tan t", "\\cot t"}});
}

TEST(MathExpressions, WholeNumberVariables) {
  ExpectSame({{"\\sum_{k=1}^{n}k^2", "\\frac{n(n+1)(2n+1)}{6}"},
              {"(n+2)!", "(n+2)(n+1)\\cdot n!"},
              {"\\binom{n}{3}", "\\frac{n(n-1)(n-2)}{6}"},
              {"\\cos(\\pi n)", "(-1)^n"},
              {"\\sum_{i=1}^{5}i", "15"}});
  ExpectDifferent(
      {{"\\sum_{k=1}^{n}k^2", "\\frac{n(n+1)(2n-1)}{6}"}, {"(-1)^n", "(-1)^{n+1}"}, {"n!", "n"}});
}

TEST(MathExpressions, FunctionsWithoutADefinition) {
  ExpectSame({{"g(x+2)", "g(2+x)"}, {"2g(x)", "g(x)\\cdot2"}});
  ExpectDifferent(
      {{"g'(x)", "g(x)"}, {"g(x)", "g(y)"}, {"g^{-1}(x)", "\\frac{1}{g(x)}"}, {"g(x)", "h(x)"}});
}

TEST(MathExpressions, Calculus) {
  ExpectSame({{"\\frac{d}{dx}x^4", "4x^3"},
              {"\\frac{d}{dx}\\sin(2x)", "2\\cos 2x"},
              {"\\int 3x^2 dx", "x^3"},
              {"\\int_1^2 x\\,dx", "\\frac32"},
              {"\\int_0^a t^2 dt", "\\frac{a^3}{3}"},
              {"\\int\\cos x dx", "\\sin x"},
              {"\\int\\frac{dx}{x}", "\\ln|x|"},
              {"\\lim_{x\\to5}b", "b"},
              {"\\frac{x^2}{2}+C", "C+\\frac12x^2"}});
  ExpectDifferent({{"\\frac{x^2}{2}+C", "\\frac{x^2}{2}"}, {"\\int 3x^2 dx", "3x^2"}});
}

TEST(MathExpressions, AConstantOfIntegrationMayHaveAnotherLetter) {
  ExpectSame({{"\\frac{x^2}{2}+C", "\\frac{x^2}{2}+c"},
              {"\\sin x+C", "\\sin x+K"},
              {"c_1e^x+c_2e^{-x}", "C_1e^{x}+C_2e^{-x}"},
              {"Ce^{2x}", "ce^{2x}"}});
  ExpectDifferent({{"\\sin x+C", "\\cos x+c"},
                   {"x^2+C", "x^2+1"},
                   {"2C", "2c"},
                   {"x+a", "x+b"},
                   {"c_1e^x+c_2e^{-x}", "C_2e^{x}+C_1e^{-x}"}});
}

TEST(MathExpressions, IdentitiesOfHundredsOfTermsAreDecidedInAPrimeField) {
  std::string terms = "1+x";
  for (int i = 2; i < 800; ++i) terms += "+x^{" + std::to_string(i) + "}";
  const std::string quotient = "\\frac{x^{800}-1}{x-1}";
  EXPECT_STREQ(Judge(quotient, terms, {}).method, "points of a prime field");
  EXPECT_TRUE(Same(quotient, terms));
  EXPECT_TRUE(Same("0", quotient + "-(" + terms + ")"));
  EXPECT_FALSE(Same(quotient, terms + "+1"));
  EXPECT_FALSE(Same(quotient, terms + "+x^{800}"));
}

TEST(MathExpressions, IntegerFunctions) {
  ExpectSame({{"\\lfloor 5.7\\rfloor", "5"},
              {"\\lceil -1.5\\rceil", "-1"},
              {"\\lfloor 3y-2y-y\\rfloor", "0"},
              {"29\\bmod 6", "5"},
              {"-7\\bmod 3", "2"},
              {"\\gcd(84,30)", "6"},
              {"\\gcd(3y,2x)", "1"},
              {"\\operatorname{lcm}(6,10)", "30"},
              {"\\max(2,9,4)", "9"},
              {"7!!", "105"},
              {"{8 \\choose 2}", "28"}});
}

}  // namespace
}  // namespace cohort::reward::math
