#include "reward/text/boxed.h"
#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

double Boxed(const std::string& completion, const std::string& answer) {
  return ScoreOf("boxed_answer", completion, answer);
}

std::string Box(const std::string& content) { return "so $\\boxed{" + content + "}$."; }

TEST(LastBoxed, BalancesNestedBraces) {
  EXPECT_EQ(LastBoxed("\\boxed{\\frac{1}{1+\\frac{1}{x}}}"), "\\frac{1}{1+\\frac{1}{x}}");
  EXPECT_EQ(LastBoxed("\\boxed{\\{1, 2\\}}"), "\\{1, 2\\}");
  EXPECT_EQ(LastBoxed("\\boxed {7}"), "7");
  EXPECT_EQ(LastBoxed("\\fbox{7}"), "7");
  EXPECT_EQ(LastBoxed("\\boxed{\n9\n}"), "9");
}

TEST(LastBoxed, TakesTheLastNonEmptyOne) {
  EXPECT_EQ(LastBoxed("\\boxed{1} then \\boxed{2}"), "2");
  EXPECT_EQ(LastBoxed("\\boxed{5}. I used the format \\boxed{}."), "5");
  EXPECT_EQ(LastBoxed("\\boxed{5} \\boxed{ }"), "5");
  EXPECT_EQ(LastBoxed("\\boxed{16}\n\\boxed{17}\n\\boxed{18}"), "18");
}

TEST(LastBoxed, JoinsBoxesThatFormOneList) {
  EXPECT_EQ(LastBoxed("$\\boxed{2}$, $\\boxed{3}$ or $\\boxed{4}$"), "2, 3, 4");
  EXPECT_EQ(LastBoxed("\\boxed{2} and \\boxed{3}"), "2, 3");
  EXPECT_EQ(LastBoxed("\\boxed{2} is wrong and \\boxed{3} right"), "3");
}

TEST(LastBoxed, FindsNothingInAnUnclosedOrAbsentBox) {
  EXPECT_EQ(LastBoxed("\\boxed{5"), std::nullopt);
  EXPECT_EQ(LastBoxed("boxed{5}"), std::nullopt);
  EXPECT_EQ(LastBoxed(""), std::nullopt);
  EXPECT_EQ(LastBoxed("\\"), std::nullopt);
  EXPECT_EQ(LastBoxed("}}}\\boxed{5}"), "5");
  EXPECT_EQ(LastBoxed("\\boxed{4} and \\boxed{5"), "4");
}

TEST(BoxedAnswer, MatchesSpellingsOfTheSameText) {
  const std::pair<const char*, const char*> equal[] = {
      {"\\frac{63}{400}", "63/400"},
      {"\\dfrac{3}{4}", "\\frac34"},
      {"\\left( 7, 6 \\right)", "(7,6)"},
      {"3 \\sqrt{13}", "3\\sqrt{13}"},
      {"\\sqrt2", "\\sqrt{2}"},
      {"90^\\circ", "90"},
      {"90^{\\circ}", "90^\\circ"},
      {"x = 5", "5"},
      {"\\text{Evelyn}", "evelyn"},
      {"\\text{C}", "C"},
      {"20\\%", "20"},
      {"\\$18.00", "18"},
      {"12,000,023", "12000023"},
      {"49,\\!479", "49479"},
      {"14{,}912", "14912"},
      {"5\\text{ cm}", "5"},
      {"5", "5\\text{ cm}"},
      {"0.50", ".5"},
      {"\\pi.", "\\pi"},
      {"\\tfrac{1}{2}", "$\\frac{1}{2}$"},
  };
  for (const auto& [found, gold] : equal) {
    EXPECT_EQ(Boxed(Box(found), gold), 1) << found << " against " << gold;
  }
}

TEST(BoxedAnswer, KeepsDifferentAnswersApart) {
  const std::pair<const char*, const char*> different[] = {
      {"\\frac{64}{400}", "\\frac{63}{400}"},
      {"2c", "2"},
      {"2\\pi", "2"},
      {"3\\sqrt{13}", "3"},
      {"X", "x"},
      {"204_5", "204_6"},
      {"f'(x)", "f(x)"},
      {"1-1/e", "1+1/e"},
      {"5\\text{ cm}", "5\\text{ m}"},
      {"x=5", "y=5"},
      {"1,2", "12"},
      {"[1,2)", "(1,2)"},
      {"0.3333", "1/3"},
      {"\\text{a}", "\\text{b}"},
  };
  for (const auto& [found, gold] : different) {
    EXPECT_EQ(Boxed(Box(found), gold), 0) << found << " against " << gold;
  }
}

TEST(BoxedAnswer, TakesAGoldThatIsAWorkedSolution) {
  EXPECT_EQ(Boxed(Box("7"), "We add. \\boxed{7}"), 1);
  EXPECT_EQ(Boxed(Box("18"), "9 * 2 = 18\n#### 18"), 1);
}

TEST(BoxedAnswer, DoesNotAcceptAListOfCandidates) {
  EXPECT_EQ(Boxed("$\\boxed{2}$ or $\\boxed{3}$", "3"), 0);
}

TEST(BoxedAnswer, LooksBehindTheReasoningOnly) {
  EXPECT_EQ(Boxed("<think> My answer is \\boxed{42} </think> Some other text.", "42"), 0);
  EXPECT_EQ(Boxed("<think>\\boxed{1}</think> \\boxed{42}", "42"), 1);
  EXPECT_EQ(Boxed("<think>\\boxed{42}", "42"), 0);
}

TEST(BoxedAnswer, ScoresZeroWithoutABox) {
  EXPECT_EQ(Boxed("The answer is 42.", "42"), 0);
  EXPECT_EQ(Boxed("Answer: \\boxed{}", "5"), 0);
}

TEST(BoxedAnswer, FailsRatherThanScoresWithoutAnAnswer) {
  EXPECT_EQ(GradeOf("boxed_answer", "\\boxed{5}", "").status, STATUS_UNPARSEABLE);
  EXPECT_EQ(GradeOf("boxed_answer", "\\boxed{5}", "$$").status, STATUS_UNPARSEABLE);
}

}  // namespace
}  // namespace cohort::reward
