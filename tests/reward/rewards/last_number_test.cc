#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

double LastNumber(const std::string& completion, const std::string& answer) {
  return ScoreOf("last_number", completion, answer);
}

TEST(LastNumber, TakesTheLastOfSeveralNumbers) {
  EXPECT_EQ(LastNumber("16 - 3 - 4 = 9 eggs, 9 * 2 = 18 dollars", "18"), 1);
  EXPECT_EQ(LastNumber("It is 18, not 26", "18"), 0);
  EXPECT_EQ(LastNumber("It is 18, not 26", "26"), 1);
}

TEST(LastNumber, ReadsGsm8kGoldsBehindTheHashes) {
  const std::string gold = "She makes 9 * 2 = $<<9*2=18>>18 every day.\n#### 18";
  EXPECT_EQ(LastNumber("She makes $18.", gold), 1);
  EXPECT_EQ(LastNumber("She makes $9.", gold), 0);
  EXPECT_EQ(LastNumber("... \n#### 5,600", "text\n#### 5600"), 1);
  EXPECT_EQ(LastNumber("#### 5600", "text\n#### 5,600"), 1);
}

TEST(LastNumber, DropsThousandsSeparatorsOnlyWhereTheyGroupByThree) {
  EXPECT_EQ(LastNumber("1,234", "1234"), 1);
  EXPECT_EQ(LastNumber("12,345,678.50", "12345678.5"), 1);
  EXPECT_EQ(LastNumber("12{,}345", "12345"), 1);
  EXPECT_EQ(LastNumber("49,\\!479", "49479"), 1);
  EXPECT_EQ(LastNumber("10\\,000", "10000"), 1);
  EXPECT_EQ(LastNumber("the roots 1,2", "12"), 0);
  EXPECT_EQ(LastNumber("the roots 1,2", "2"), 1);
  EXPECT_EQ(LastNumber("in 2023,567 people", "567"), 1);
  EXPECT_EQ(LastNumber("1,2345", "2345"), 1);
  EXPECT_EQ(LastNumber("0,123", "123"), 1);
}

TEST(LastNumber, ComparesDecimalsExactly) {
  EXPECT_EQ(LastNumber("2.50", "2.5"), 1);
  EXPECT_EQ(LastNumber("3.0", "3"), 1);
  EXPECT_EQ(LastNumber("007", "7"), 1);
  EXPECT_EQ(LastNumber(".5", "0.5"), 1);
  EXPECT_EQ(LastNumber("0.3", "0.30000000000000004"), 0);
  EXPECT_EQ(LastNumber("9007199254740993", "9007199254740992"), 0);
  EXPECT_EQ(LastNumber("9007199254740993", "9007199254740993"), 1);
  EXPECT_EQ(LastNumber("0.00000000000000000001", "0"), 0);
  EXPECT_EQ(LastNumber("-0", "0"), 1);
  EXPECT_EQ(LastNumber("0.000", "0"), 1);
}

TEST(LastNumber, ReadsScientificNotation) {
  EXPECT_EQ(LastNumber("1.5e3", "1500"), 1);
  EXPECT_EQ(LastNumber("about 2E-3", "0.002"), 1);
  EXPECT_EQ(LastNumber("1.6e-19", "1.7e-19"), 0);
  EXPECT_EQ(LastNumber("12 eggs", "12"), 1);
  EXPECT_EQ(LastNumber("12e", "12"), 1);
  EXPECT_EQ(LastNumber("1e999999999999", "1"), 0);
}

TEST(LastNumber, TellsASignFromASubtraction) {
  EXPECT_EQ(LastNumber("x = -5", "-5"), 1);
  EXPECT_EQ(LastNumber("-5", "5"), 0);
  EXPECT_EQ(LastNumber("8-3", "3"), 1);
  EXPECT_EQ(LastNumber("(8)-3", "3"), 1);
  EXPECT_EQ(LastNumber("pages 3--5", "5"), 1);
  EXPECT_EQ(LastNumber("+7", "7"), 1);
  EXPECT_EQ(LastNumber("\xE2\x88\x92"
                       "12",
                       "-12"),
            1)
      << "U+2212, the typographic minus";
  EXPECT_EQ(LastNumber("a loss of -$40", "-40"), 1);
  EXPECT_EQ(LastNumber("a loss of $-40", "-40"), 1);
  EXPECT_EQ(LastNumber("**-40**", "-40"), 1);
}

TEST(LastNumber, IgnoresCurrencyPercentAndTrailingPunctuation) {
  for (const char* completion : {"$18.", "$18!", "18%", "18\\%", "\\$18", "(18)", "**18**", "18,",
                                 "18.00.", "\\boxed{18}", "$18$", "18\xC2\xB0", "18kg",
                                 "\xE2\x82\xAC"
                                 "18"}) {
    EXPECT_EQ(LastNumber(completion, "18"), 1) << completion;
  }
  EXPECT_EQ(LastNumber("18", "$18"), 1);
  EXPECT_EQ(LastNumber("18", "18 dollars."), 1);
}

TEST(LastNumber, DoesNotTakeAPartOfAnExpressionForItsValue) {
  for (const char* completion : {"3/4", "\\frac{3}{4}", "\\frac34", "\\dfrac{1}{4}", "16^4",
                                 "2^{4}", "\\sqrt{4}", "\\sqrt[3]{4}", "(2)/4"}) {
    EXPECT_EQ(LastNumber(completion, "4"), 0) << completion;
  }
  EXPECT_EQ(LastNumber("the area is 50 m^2", "50"), 1) << "the exponent of a unit is not a number";
  EXPECT_EQ(LastNumber("the area is 50 cm^{2}.", "50"), 1);
}

TEST(LastNumber, LooksBehindTheReasoningOnly) {
  EXPECT_EQ(LastNumber("<think>maybe 5</think> It is 6", "6"), 1);
  EXPECT_EQ(LastNumber("<think>it is 6</think> done", "6"), 0);
  EXPECT_EQ(LastNumber("opened by the prompt: 5</think> It is 6", "6"), 1);
  EXPECT_EQ(LastNumber("<think>a</think>5<think>b</think>6", "6"), 1);
}

TEST(LastNumber, GivesNothingForReasoningThatWasNeverClosed) {
  const Grade grade = GradeOf("last_number", "<think>it must be 6", "6");
  EXPECT_EQ(grade.status, STATUS_OK);
  EXPECT_EQ(grade.score, 0);
  EXPECT_EQ(LastNumber("<think>x</think>5 <think>wait, 6", "6"), 0);
}

TEST(LastNumber, CountsOnlyWhatFollowsTheMarkerWhenThereIsOne) {
  EXPECT_EQ(ScoreOf("last_number", "7\n#### 6", "6", {{"after", "####"}}), 1);
  EXPECT_EQ(ScoreOf("last_number", "so it is 6", "6", {{"after", "####"}}), 0);
}

TEST(LastNumber, ScoresZeroWhereTheCompletionHasNoNumber) {
  EXPECT_EQ(LastNumber("", "6"), 0);
  EXPECT_EQ(LastNumber("six", "6"), 0);
  EXPECT_EQ(LastNumber("...,,,---$$$%%%", "6"), 0);
}

TEST(LastNumber, FailsRatherThanScoresWhenTheAnswerIsNotOneNumber) {
  for (const char* answer : {"", "blue", "3/4", "1 or 2", "\\frac{1}{2}", "2^10"}) {
    const Grade grade = GradeOf("last_number", "4", answer);
    EXPECT_EQ(grade.status, STATUS_UNPARSEABLE) << answer;
    EXPECT_NE(grade.detail.find("is not one number"), std::string::npos) << grade.detail;
  }
}

TEST(LastNumber, SurvivesBytesThatAreNotText) {
  const std::string bytes("\xFF\xFE\x00\x80 5 \xC3(", 9);
  EXPECT_EQ(LastNumber(bytes, "5"), 1);
}

TEST(LastNumber, SaysWhatItFoundAndWhatItExpected) {
  const Grade grade = GradeOf("last_number", "It is 26.", "18");
  EXPECT_EQ(grade.detail, "found '26', expected '18'");
}

}  // namespace
}  // namespace cohort::reward
