// Random expressions, spelled in two ways or changed in one place.

#include <random>

#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

// A random expression with its spellings: LaTeX, and plain or rewritten notation.
struct Spelled {
  std::string latex;
  std::string plain;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }

  // `symbols`: letters that may occur; none for constants.
  Spelled Expression(int depth, const std::string& symbols) {
    if (depth == 0) return Leaf(symbols);
    const Spelled a = Expression(depth - 1, symbols);
    const Spelled b = Expression(depth - 1, symbols);
    switch (Between(0, 4)) {
      case 0:  // commuted
        return {a.latex + "+" + b.latex, b.plain + " + " + a.plain};
      case 1:
        return {Group(a.latex) + "-" + Group(b.latex), "-(" + b.plain + ") + (" + a.plain + ")"};
      case 2:
        return {Group(a.latex) + Group(b.latex), "(" + b.plain + ")*(" + a.plain + ")"};
      case 3: {
        const std::string n = std::to_string(Between(2, 9));
        return {"\\frac{" + a.latex + "}{" + n + "}", "(" + a.plain + ")/" + n};
      }
      default: {  // a square written out
        return {Group(a.latex) + "^2", "(" + a.plain + ")*(" + a.plain + ")"};
      }
    }
  }

 private:
  static std::string Group(const std::string& latex) { return "\\left(" + latex + "\\right)"; }

  Spelled Leaf(const std::string& symbols) {
    if (!symbols.empty() && Between(0, 1) == 0) {
      const std::string letter(1, symbols[Between(0, static_cast<int64_t>(symbols.size()) - 1)]);
      return {letter, letter};
    }
    const int64_t a = Between(1, 99);
    const int64_t b = Between(2, 9);
    const std::string n = std::to_string(a);
    switch (symbols.empty() ? Between(0, 3) : 0) {
      case 0:
        return {n, n + ".0"};
      case 1:
        return {"\\frac{" + n + "}{" + std::to_string(b) + "}", n + "/" + std::to_string(b)};
      case 2:  // b sqrt(a)
        return {std::to_string(b) + "\\sqrt{" + n + "}", "√(" + std::to_string(b * b * a) + ")"};
      default:
        return {"\\frac{1}{\\sqrt{" + n + "}}", "sqrt(" + n + ")/" + n};
    }
  }

  std::mt19937_64 random_;
};

TEST(MathProperties, ARespelledExpressionIsEqualBothWays) {
  Generator generator(11);
  for (int i = 0; i < 600; ++i) {
    const Spelled spelled = generator.Expression(i % 4, i % 2 == 0 ? "" : "xyz");
    EXPECT_TRUE(Same(spelled.latex, spelled.plain)) << spelled.latex << " and " << spelled.plain;
    EXPECT_TRUE(Same(spelled.plain, spelled.latex)) << spelled.plain << " and " << spelled.latex;
    EXPECT_TRUE(Same(spelled.latex, spelled.latex)) << spelled.latex;
  }
}

TEST(MathProperties, AnExpressionChangedALittleIsUnequalBothWays) {
  Generator generator(12);
  for (int i = 0; i < 600; ++i) {
    const Spelled spelled = generator.Expression(i % 4, i % 2 == 0 ? "" : "xyz");
    if (Same(spelled.latex, "0")) continue;  // a factor does not change it
    const std::string by = std::to_string(generator.Between(1000, 99999));
    for (const std::string& other :
         {spelled.latex + "+\\frac{1}{" + by + "}", "(" + spelled.latex + ")+10^{-60}",
          "(" + spelled.latex + ")\\cdot\\frac{" + by + "1}{" + by + "0}",
          spelled.latex + "+\\sqrt{2}-\\frac{665857}{470832}"}) {
      EXPECT_FALSE(Same(spelled.latex, other)) << spelled.latex << " and " << other;
      EXPECT_FALSE(Same(other, spelled.latex)) << other << " and " << spelled.latex;
    }
  }
}

TEST(MathProperties, EveryParsedAnswerEqualsItself) {
  for (const char* answer :
       {"x=2", "(1,2)", "[1,2)", "\\{1,x\\}", "x<y", "\\pm\\sqrt{a}", "f(x)", "n!", "2:3", "5\\%",
        "\\mathbb{Z}", "\\begin{pmatrix}a\\\\b\\end{pmatrix}", "x\\equiv1\\pmod2", "1,2,\\ldots",
        "\\int_0^x f(t) dt", "\\infty", "-\\infty", "9^{9^{9^9}}"}) {
    EXPECT_TRUE(Same(answer, std::string(" ") + answer + " .")) << answer;
    EXPECT_TRUE(Same(answer, std::string("{") + answer + "}")) << answer;
  }
}

TEST(MathProperties, VerdictsDoNotDependOnTheThreadOrTheOrder) {
  Generator generator(13);
  std::vector<Spelled> pairs;
  for (int i = 0; i < 50; ++i) pairs.push_back(generator.Expression(3, i % 2 == 0 ? "" : "ab"));
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      const Spelled& other = pairs[(i * 7 + 3) % pairs.size()];
      EXPECT_EQ(Same(pairs[i].latex, other.plain), Same(other.plain, pairs[i].latex));
    }
  }
}

}  // namespace
}  // namespace cohort::reward::math
