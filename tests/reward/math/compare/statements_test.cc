#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

TEST(MathStatements, AnAssignmentIsItsValue) {
  ExpectSame({{"x=9", "9"},
              {"9=x", "9"},
              {"y=3x-1", "3x-1"},
              {"g(x)=x^2+1", "x^2+1"},
              {"PQ=8", "8"},
              {"P(B)=\\frac15", "0.2"},
              {"\\angle PQR=40^\\circ", "40"},
              {"\\text{total cost}=12", "12"},
              {"x=4+5=9", "9"},
              {"g(x)=x^2+1", "y=1+x^2"},
              {"y=2^t", "h(t)=2^t"},
              {"x\\approx2.5", "2.5"},
              {"\\frac17\\approx0.14", "\\frac17"}});
  ExpectDifferent({{"x=9", "y=9"},
                   {"x=9", "8"},
                   {"x+y=9", "9"},
                   {"x^2+y^2=9", "9"},
                   {"y=3x-1", "-1"},
                   {"g(x)=x^2", "h(x)=x^2"},
                   {"g(x)=x^2", "y=x^2+1"},
                   {"g(x)=x+y", "y=x+y"},
                   {"g(y)=y^2", "y=y^2"},
                   {"g(x)=x^2", "z=x^2"},
                   {"9=8", "9"}});
  Conventions strict;
  strict.assignments = false;
  EXPECT_FALSE(Same("9", "x=9", strict));
}

TEST(MathStatements, AValueMayHaveACompoundName) {
  ExpectSame({{"\\frac{NO}{BO}=\\frac{1}{\\sqrt6}", "\\frac{1}{\\sqrt6}"},
              {"P(X=2)=\\frac14", "\\frac14"},
              {"P(A|B)=\\frac13", "\\frac13"},
              {"P(A\\cap B)=0.2", "0.2"},
              {"f(x)_{\\max}=3", "3"},
              {"(xy)_{\\min}=4", "4"},
              {"\\max = 12", "12"},
              {"\\gcd(a,b)=6", "6"},
              {"d(A,B)=5", "5"},
              {"\\tan(\\alpha+\\beta)=1", "1"},
              {"\\frac{dy}{dx}=2x", "2x"},
              {"S_{\\triangle ABC}=6", "6"},
              {"|\\overrightarrow{AB}|=5", "5"}});
  ExpectDifferent({{"\\frac{x}{4}=2", "2"},
                   {"x+y=9", "9"},
                   {"\\sin 2x=1", "1"},
                   {"P(X=2)=\\frac14", "2"},
                   {"\\max=12", "\\min=12"}});
}

TEST(MathStatements, AFunctionMayNameItsArgumentAsItLikes) {
  ExpectSame({{"f(x)=x", "f(t)=t"}, {"f(n)=2n", "f(x)=2x"}, {"f(x,y)=x-y", "f(a,b)=a-b"}});
  ExpectDifferent({{"f(x)=x", "g(t)=t"},
                   {"f(x)=ax", "f(a)=xa"},
                   {"f(x,y)=x-y", "f(a,b)=b-a"},
                   {"f(x)=x^2", "f(t)=x^2"}});
}

TEST(MathStatements, AnEquationIsItsMultiples) {
  ExpectSame({{"y=3x-1", "3x-y-1=0"},
              {"2x+4y=6", "x+2y=3"},
              {"\\frac{x}{4}=2", "x=8"},
              {"x^2+y^2=9", "9=y^2+x^2"}});
  ExpectDifferent({{"y=3x-1", "y=3x+1"},
                   {"2x+4y=6", "x+2y=6"},
                   {"\\frac{x^2}{4}+\\frac{y^2}{25}=1", "25x^2+4y^2=1"},
                   {"y=x^3", "y=-x^3"},
                   {"x+y-z=1", "x+y+z=1"}});
}

TEST(MathStatements, Inequalities) {
  ExpectSame({{"x>4", "4<x"},
              {"-x\\ge-4", "x\\le4"},
              {"3x<12", "x<4"},
              {"x\\geqslant2", "x>=2"},
              {"x\\ne1", "1\\neq x"},
              {"1<x\\le6", "6\\ge x>1"},
              {"a<b", "b>a"}});
  ExpectDifferent({{"x>4", "x<4"},
                   {"x>4", "x\\ge4"},
                   {"x>4", "y>4"},
                   {"x>4", "4"},
                   {"x>4", "x=4"},
                   {"3x<12", "x>4"},
                   {"a<b", "a\\le b"}});
}

TEST(MathStatements, SolutionsInEveryForm) {
  ExpectSame({{"x=4\\text{ or }x=7", "x\\in\\{4,7\\}"},
              {"x=4\\text{ or }x=7", "7,4"},
              {"x=\\pm3", "x=3,-3"},
              {"(a,b)=(1,6)", "b=6,\\ a=1"},
              {"a=1,b=6", "(1,6)"},
              {"t_1=2,\\ t_2=5", "5,2"},
              {"m=1,2,3", "3,2,1"},
              {"x=1,y=2\\text{ or }x=2,y=1", "(2,1),(1,2)"}});
  ExpectDifferent({{"x=4\\text{ or }x=7", "x=4"},
                   {"x=\\pm3", "x=3"},
                   {"(a,b)=(1,6)", "a=6,b=1"},
                   {"a=1,b=6", "a=1"},
                   {"a=1,b=6", "a=1,c=6"},
                   {"a=1,b=6", "(6,1)"},
                   {"x=1,y=2\\text{ or }x=3,y=4", "x=1,y=4\\text{ or }x=3,y=2"}});
}

TEST(MathStatements, Congruences) {
  ExpectSame({{"x\\equiv2\\pmod9", "x\\equiv11\\pmod{9}"},
              {"2\\pmod9", "11\\pmod 9"},
              {"x\\equiv2\\pmod9", "x\\equiv2\\bmod9"}});
  ExpectDifferent({{"x\\equiv2\\pmod9", "x\\equiv2\\pmod8"},
                   {"x\\equiv2\\pmod9", "x\\equiv3\\pmod9"},
                   {"x\\equiv2\\pmod9", "2"}});
}

TEST(MathStatements, SeveralCandidatesAreNoAnswer) {
  for (const char* hedge : {"8 or 9",
                            "8, 9",
                            "x=8 or x=9",
                            "\\{8,9\\}",
                            "\\pm8",
                            "8\\text{ or }9",
                            "8 and 9",
                            "8\\text{, or 9}",
                            "8\\text{ (or nine)}",
                            "8;9",
                            "8|9",
                            "8=9",
                            "[8,9]",
                            "(8,9)",
                            "\\text{8 or 9}",
                            "8\\ne9",
                            "x\\ne8",
                            "7<8",
                            "x\\ge8",
                            "8 \\ldots",
                            "not 8",
                            "8?",
                            "8\\pm\\infty",
                            "8\\text{ is not the answer}",
                            "1,2,3,4,5,6,7,8"}) {
    EXPECT_FALSE(Same("8", hedge)) << hedge;
    EXPECT_FALSE(Same("9", hedge) && std::string(hedge) != "8=9") << hedge;
  }
}

}  // namespace
}  // namespace cohort::reward::math
