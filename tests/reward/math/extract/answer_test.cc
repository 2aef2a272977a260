#include "reward/math/extract/answer.h"

#include <gtest/gtest.h>

#include "reward/math/extract/sentence.h"

namespace cohort::reward::math {
namespace {

std::string Found(std::string_view response) {
  const auto found = ExtractFromResponse(response);
  return found ? found->text : "(none)";
}

TEST(MathExtraction, TakesTheLastBoxWithNestedBraces) {
  EXPECT_EQ(Found("$\\boxed{3}$, no: $\\boxed{\\frac{1}{1+\\frac{1}{x}}}$."),
            "\\frac{1}{1+\\frac{1}{x}}");
  EXPECT_EQ(Found("\\boxed{\\{1,2\\}}"), "\\{1,2\\}");
  EXPECT_EQ(Found("Write \\boxed{}. It is \\boxed{6}; I used \\boxed{}."), "6");
  EXPECT_EQ(Found("\\fbox{6}"), "6");
  EXPECT_EQ(Found("\\boxed{\n6\n}"), "6");
}

TEST(MathExtraction, BoxesThatAreJoinedAreOneList) {
  EXPECT_EQ(Found("$\\boxed{4}$ or $\\boxed{9}$"), "4, 9");
  EXPECT_EQ(Found("$x=\\boxed{4}$ and $x=\\boxed{9}$"), "4, 9");
  EXPECT_EQ(Found("\\boxed{4}\n\\boxed{9}"), "9");
  EXPECT_EQ(Found("\\boxed{4} is too small, so \\boxed{9}"), "9");
}

TEST(MathExtraction, ABoxThatNeverClosesIsCutOffUnlessItsFormulaEnds) {
  EXPECT_TRUE(ExtractFromResponse("So \\boxed{\\frac{3}{4}")->cut_off);
  EXPECT_EQ(Found("$$\\boxed{12$$"), "12");
  EXPECT_FALSE(ExtractFromResponse("$$\\boxed{12$$")->cut_off);
}

TEST(MathExtraction, ReasoningDoesNotCount) {
  EXPECT_EQ(Found("<think>\\boxed{4}</think>It is \\boxed{9}."), "9");
  EXPECT_EQ(Found("<think>It is \\boxed{4}. Or"), "(none)");
  EXPECT_EQ(Found("It is 4.</think> It is 9."), "9");
  EXPECT_EQ(Found("<think>a</think><think>\\boxed{4}"), "(none)");
}

TEST(MathExtraction, TagsHashesAndPhrasesComeBeforeLooseNumbers) {
  EXPECT_EQ(Found("<answer>x = 6</answer> 7"), "x = 6");
  EXPECT_EQ(Found("3 + 3 = 6\n#### 6"), "6");
  EXPECT_EQ(Found("3 + 3 = 6\nA: 6"), "6");
  EXPECT_EQ(Found("The answer is 6. There were 8 of them."), "6");
  EXPECT_EQ(Found("**Final Answer:** $\\frac12$ (of 8)"), "\\frac12");
  EXPECT_EQ(Found("Final Answer: the least value is 6."), "6");
  EXPECT_EQ(Found("The final answer is $6$. I hope it is correct. [Note 7]"), "6");
  EXPECT_EQ(Found("We saw \\boxed{5}. Final Answer: The final answer is $6$."), "6");
  EXPECT_EQ(Found("Answer: C, since A would be too large"), "C");
  EXPECT_EQ(Found("The answer is Martin."), "Martin");
}

TEST(MathExtraction, HeadingsAndJsonHoldAnswers) {
  EXPECT_EQ(Found("Some steps.\n\n#### Answer: 12"), "12");
  EXPECT_EQ(Found("#### Final Answer\n\n12"), "12");
  EXPECT_EQ(Found("#### Step 2: add 5\nSo the answer is 12."), "12");
  EXPECT_EQ(Found("#### Evelyn"), "Evelyn");
  EXPECT_EQ(Found("{\"answer\": \"12\"}"), "12");
  EXPECT_EQ(Found("```json\n{\"steps\": [1, 2], \"answer\": 12}\n```"), "12");
  EXPECT_EQ(Found("{\"answer\": 12, \"confidence\": 0.9}"), "12");
  EXPECT_EQ(Found("{\"final_answer\": \"\\\\frac{1}{2}\"}"), "\\frac{1}{2}");
  EXPECT_EQ(Found("{\"answer\": \"\\frac{1}{2}\"}"), "\\frac{1}{2}");
  EXPECT_EQ(Found("{'answer': '12'}"), "12");
  EXPECT_EQ(Found("<answer>{\"answer\": 12}</answer>"), "12");
}

TEST(MathExtraction, DigitsOfOtherScriptsAreDigits) {
  EXPECT_EQ(Found("So it is １２。"), "12");
  EXPECT_EQ(Found("The answer is 𝟏𝟐."), "12");
  EXPECT_EQ(Found("答案：１２"), "12");
}

TEST(MathExtraction, AnOptionThatIsDeniedIsNoAnswer) {
  EXPECT_EQ(Found("C is not right, so it is B"), "B");
  EXPECT_EQ(Found("I think it is B, not A"), "B");
  EXPECT_NE(Found("Option (C) is false."), "C");
  EXPECT_NE(Found("It is not (C)."), "C");
}

TEST(MathExtraction, ElseTheLastFormulaOrNumber) {
  EXPECT_EQ(Found("So the share is $\\frac{2}{5}$."), "\\frac{2}{5}");
  EXPECT_EQ(Found("The roots are $3$ and $8$."), "3, 8");
  EXPECT_EQ(Found("There are 6 values of $x$."), "6");
  EXPECT_EQ(Found("It grows by 15%."), "15%");
  EXPECT_EQ(Found("They paid $1,250 each."), "$1,250");
  EXPECT_EQ(Found("so t = -6"), "-6");
  EXPECT_EQ(Found("That is 13/28 of it."), "13/28");
  EXPECT_EQ(Found("Hence x = \\frac{1}{6}"), "\\frac{1}{6}");
  EXPECT_EQ(Found("一共有 6 + 7 = 13只鸟。"), "13");
  EXPECT_EQ(Found("It is not A. I think it is B"), "B");
  EXPECT_EQ(Found("\\text{South-East}"), "\\text{South-East}");
}

TEST(MathExtraction, TakesDatesAndValuesInSeveralUnitsWhole) {
  EXPECT_EQ(Found("May 6, 2023"), "May 6, 2023");
  EXPECT_EQ(Found("The answer is May 6."), "May 6");
  EXPECT_EQ(Found("2 hours 30 minutes"), "2 hours 30 minutes");
  EXPECT_EQ(Found("So the answer is **2 hours and 30 minutes**."), "2 hours and 30 minutes");
}

TEST(MathExtraction, DigitsOfAWordAreNoNumber) {
  EXPECT_EQ(Found("ABCDE7F"), "ABCDE7F");
  EXPECT_EQ(Found("There are 4 atoms in C2H2."), "4");
  EXPECT_EQ(Found("It costs USD25."), "25");
  EXPECT_EQ(Found("so \\frac12"), "\\frac12");
}

TEST(MathExtraction, AFormulaWithoutDelimitersIsTakenWhole) {
  EXPECT_EQ(Found("so \\frac{1}{2}"), "\\frac{1}{2}");
  EXPECT_EQ(Found("We get 2\\sqrt{3}."), "2\\sqrt{3}");
  EXPECT_EQ(Found("therefore e^{2}"), "e^{2}");
  EXPECT_EQ(Found("hence the area equals \\log_{10} 2"), "\\log_{10} 2");
  EXPECT_EQ(Found("We are left with \\frac{3}{ x + 1 } here"), "\\frac{3}{ x + 1 }");
  EXPECT_EQ(Found("area \\approx 5"), "5");
}

TEST(MathExtraction, TwoCandidatesAreNoNumber) {
  EXPECT_EQ(Found("It is either 5 or 6"), "5 or 6");
  EXPECT_EQ(Found("The answer is either 5 or 6."), "5 or 6");
  EXPECT_EQ(Found("The answer is between 5 and 6."), "between 5 and 6");
  EXPECT_EQ(Found("He has 5 cats and 6 dogs"), "6");
}

TEST(MathExtraction, SomeTextsHaveNoAnswer) {
  EXPECT_EQ(Found(""), "(none)");
  EXPECT_EQ(Found("\n\n"), "(none)");
  EXPECT_EQ(Found("Answer: \\boxed{}"), "(none)");
  EXPECT_EQ(Found("So the chance of it must be one half."), "(none)");
  EXPECT_EQ(Found("Here is a list: 1. First, read. 2. Second, think about all of it and rest."),
            "(none)");
}

TEST(MathExtraction, OfAnExtractedAnswerTakesItAllUnlessASentenceHasOneFormula) {
  EXPECT_EQ(ExtractFromAnswer("2 \\text{ or } 3").text, "2 \\text{ or } 3");
  EXPECT_EQ(ExtractFromAnswer("Therefore $x\\ge4$ is the solution.").text, "x\\ge4");
  EXPECT_EQ(ExtractFromAnswer("Either $4$ or not").text, "Either $4$ or not");
  EXPECT_EQ(ExtractFromAnswer("Some say $4$, some say $5$").text, "Some say $4$, some say $5$");
  EXPECT_EQ(ExtractFromAnswer("The answer is C.").text, "C.");
  EXPECT_EQ(ExtractFromAnswer("so \\boxed{4}").text, "4");
}

TEST(MathExtraction, FindsFormulasBetweenEveryDelimiter) {
  const auto formulas = FormulasIn("a $b$ c \\(d\\) e \\[f\\] g $$h$$ \\$5 $i\\$j$ k $l");
  ASSERT_EQ(formulas.size(), 5u);
  EXPECT_EQ(formulas[3].body, "h");
  EXPECT_EQ(formulas[4].body, "i\\$j");
}

}  // namespace
}  // namespace cohort::reward::math
