#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

TEST(MathCollections, AFamilyOverTheIntegersMayNameItsParameterAsItLikes) {
  ExpectSame({{"2k\\pi, k\\in\\mathbb{Z}", "2n\\pi, n\\in\\mathbb{Z}"},
              {"2k\\pi, k\\in\\mathbb{Z}", "2\\pi k"},
              {"2k\\pi, k\\in\\mathbb{Z}", "2\\pi n"},
              {"x=\\frac{\\pi}{4}+k\\pi, k\\in\\mathbb{Z}", "x=n\\pi+\\frac{\\pi}{4}"},
              {"\\{3n+1 \\mid n\\in\\mathbb{Z}\\}", "\\{3m+1 \\mid m\\in\\mathbb{Z}\\}"}});
  ExpectDifferent({{"2k\\pi, k\\in\\mathbb{Z}", "2\\pi"},
                   {"2k\\pi, k\\in\\mathbb{Z}", "k\\pi"},
                   {"2k\\pi, k\\in\\mathbb{Z}", "2x\\pi"},
                   {"2k\\pi, k\\in\\mathbb{N}", "2n\\pi, n\\in\\mathbb{Z}"},
                   {"ak+n, k\\in\\mathbb{Z}", "an+k, n\\in\\mathbb{Z}"},
                   {"5, k\\in\\mathbb{Z}", "5, n\\in\\mathbb{Z}"}});
}

TEST(MathCollections, ListsAndSetsHaveNoOrder) {
  ExpectSame({{"4,9,1", "1,4,9"},
              {"4, 9 and 1", "\\{1,4,9\\}"},
              {"\\{4,4,9\\}", "\\{9,4\\}"},
              {"{4, 9}", "\\{4,9\\}"},
              {"\\{\\frac24,7\\}", "7,0.5"},
              {"3\\pm\\sqrt2", "3-\\sqrt2,3+\\sqrt2"},
              {"\\{5\\}", "5"},
              {"(1,4),(2,3)", "(2,3),(1,4)"},
              {"a,b", "b,a"},
              {"red, green", "green, Red"}});
  ExpectDifferent({{"4,9,1", "4,9"},
                   {"4,9", "4,9,1"},
                   {"4,9", "4"},
                   {"3\\pm\\sqrt2", "3+\\sqrt2"},
                   {"(1,4),(2,3)", "(1,3),(2,4)"},
                   {"2, 4, \\ldots, 2n", "2, 4, \\ldots, 4n"},
                   {"\\{0,1\\}", "[0,1]"}});
  Conventions ordered;
  ordered.unordered_lists = false;
  EXPECT_FALSE(Same("4,9,1", "1,4,9", ordered));
}

TEST(MathCollections, TuplesHaveAnOrder) {
  ExpectSame({{"(4,-\\frac12)", "\\left(4,-0.5\\right)"},
              {"\\langle1,2\\rangle", "(1,2)"},
              {"(5,200)", "(5, 200)"}});
  ExpectDifferent(
      {{"(4,9)", "(9,4)"}, {"(4,9)", "\\{4,9\\}"}, {"(4,9,1)", "(4,9)"}, {"(5,200)", "5200"}});
}

TEST(MathCollections, IntervalsAreTheSetsOfTheirPoints) {
  ExpectSame({{"(4,\\infty)", "x>4"},
              {"[-1,6)", "-1\\le x<6"},
              {"(-\\infty,1)\\cup(4,\\infty)", "(4,\\infty)\\cup(-\\infty,1)"},
              {"x<1\\text{ or }x>4", "(-\\infty,1)\\cup(4,\\infty)"},
              {"x>1\\text{ and }x<4", "(1,4)"},
              {"[1,3]\\cup[3,8]", "[1,8]"},
              {"\\mathbb{R}\\setminus\\{2\\}", "(-\\infty,2)\\cup(2,\\infty)"},
              {"\\mathbb{R}\\setminus\\{2\\}", "x\\ne2"},
              {"(0,9)\\setminus\\{4\\}", "(0,4)\\cup(4,9)"},
              {"[0,5]\\cap(2,9)", "(2,5]"},
              {"\\mathbb{R}", "(-\\infty,\\infty)"},
              {"\\text{all real numbers}", "x\\in\\mathbb{R}"},
              {"]1,2]", "(1,2]"},
              {"x^2\\le9", "[-3,3]"},
              {"|x-2|<5", "(-3,7)"},
              {"y\\in[0,\\pi]", "[0,\\pi]"},
              {"\\{t:t\\ge1\\}", "[1,\\infty)"},
              {"\\emptyset", "\\text{No solution}"},
              {"k\\ge\\sqrt5", "[\\sqrt5,\\infty)"},
              {"(a,b]", "(a, b]"},
              {"(a,b]", "a<x\\le b"},
              {"[a,\\infty)", "x\\ge a"},
              {"\\{a\\}\\cup\\{b\\}", "\\{b,a\\}"}});
  ExpectDifferent({{"[1,4]", "[1,4)"},
                   {"(1,4)", "[1,4]"},
                   {"(1,4)", "(4,1)"},
                   {"[1,3)\\cup(3,8]", "[1,8]"},
                   {"(4,\\infty)", "x\\ge4"},
                   {"\\emptyset", "0"},
                   {"(a,b]", "a\\le x<b"},
                   {"5", "[5,5]"},
                   {"\\mathbb{R}\\setminus\\{2\\}", "\\mathbb{R}"},
                   {"[4,\\infty)", "[4,\\infty]"},
                   {"x\\in[0,1]", "y\\in[0,1]"}});
}

TEST(MathCollections, Matrices) {
  ExpectSame(
      {{"\\begin{pmatrix}1&2\\\\0&5\\end{pmatrix}", "\\begin{bmatrix}1&2\\\\0&5\\end{bmatrix}"},
       {"\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(1,2)"},
       {"2\\begin{pmatrix}1&3\\end{pmatrix}", "\\begin{pmatrix}2&6\\end{pmatrix}"},
       {"\\begin{pmatrix}1&1\\\\0&1\\end{pmatrix}^2", "\\begin{pmatrix}1&2\\\\0&1\\end{pmatrix}"},
       {"\\begin{pmatrix}1&2\\end{pmatrix}^T", "\\begin{pmatrix}1\\\\2\\\\\\end{pmatrix}"},
       {"\\begin{vmatrix}2&1\\\\4&3\\end{vmatrix}", "2"},
       {"\\left[\\begin{array}{c|c}1&2\\end{array}\\right]", "\\begin{pmatrix}1&2\\end{pmatrix}"}});
  ExpectDifferent(
      {{"\\begin{pmatrix}1&2\\\\0&5\\end{pmatrix}", "\\begin{pmatrix}1&0\\\\2&5\\end{pmatrix}"},
       {"\\begin{pmatrix}1&2\\\\0&5\\end{pmatrix}", "\\begin{pmatrix}1&2&0&5\\end{pmatrix}"},
       {"\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(2,1)"},
       {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}\\begin{pmatrix}0&1\\\\1&0\\end{pmatrix}",
        "\\begin{pmatrix}0&1\\\\1&0\\end{pmatrix}\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"}});
}

TEST(MathCollections, VectorsInOtherNotations) {
  ExpectSame({{"\\langle1,2,3\\rangle", "\\mathbf{i}+2\\mathbf{j}+3\\mathbf{k}"},
              {"(1,-2)", "\\hat{i}-2\\hat{j}"},
              {"(1,2,3)", "i+2j+3k"},
              {"\\begin{pmatrix}1\\\\2\\\\3\\end{pmatrix}", "\\vec{i}+2\\vec{j}+3\\vec{k}"},
              {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "[[1,2],[3,4]]"},
              {"\\begin{bmatrix}1\\\\2\\end{bmatrix}", "[1, 2]"},
              {"\\begin{bmatrix}1\\\\2\\end{bmatrix}", "[1, 2]^T"},
              {"[0.5, 1]", "\\begin{matrix}\\frac12\\\\1\\end{matrix}"},
              {"(1,2)", "<1,2>"}});
  ExpectDifferent({{"(1,2,3)", "\\mathbf{i}+3\\mathbf{j}+2\\mathbf{k}"},
                   {"(3,2)", "3+2i"},
                   {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "[[1,3],[2,4]]"},
                   {"\\begin{bmatrix}1\\\\2\\end{bmatrix}", "[2, 1]"}});
}

TEST(MathCollections, ARegionWithAPointInBracesIsNoRegion) {
  ExpectSame({{"(0,9)\\cup(9,36)", "\\{(0,9)\\cup(9,36)\\}"}});
  ExpectDifferent({{"(0,9)\\cup(9,36)", "\\{(0,9)\\cup(9,36),17\\}"}, {"[1,3]", "\\{[1,3],2\\}"}});
}

TEST(MathCollections, FamiliesOfNumbers) {
  ExpectSame({{"\\{3k\\mid k\\in\\mathbb{Z}\\}", "3k, k\\in\\mathbb{Z}"}});
  ExpectDifferent({{"\\{3k\\mid k\\in\\mathbb{Z}\\}", "\\{2k\\mid k\\in\\mathbb{Z}\\}"},
                   {"\\{3k\\mid k\\in\\mathbb{Z}\\}", "\\{3k\\mid k\\in\\mathbb{N}\\}"}});
}

}  // namespace
}  // namespace cohort::reward::math
