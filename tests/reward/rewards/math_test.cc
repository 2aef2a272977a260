#include <gmock/gmock.h>

#include "base/error.h"
#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

using testing::HasSubstr;

Grade MathGrade(const std::string& gold, const std::string& completion, bool extracted = false,
                const OptionMap& options = {}) {
  Sample sample = MakeSample(completion, gold);
  sample.set_extracted(extracted);
  return MakeGrader("math", options)->Score(sample, Budget(std::chrono::milliseconds(10'000)));
}

TEST(MathReward, ScoresAWholeResponse) {
  EXPECT_EQ(ScoreOf("math", "So it is $\\boxed{\\frac{3}{4}}$.", "0.75"), 1);
  EXPECT_EQ(ScoreOf("math", "So it is $\\boxed{\\frac{4}{3}}$.", "0.75"), 0);
  EXPECT_EQ(ScoreOf("math", "I give up.", "0.75"), 0);
  EXPECT_EQ(ScoreOf("math", "<think>\\boxed{0.75}", "0.75"), 0);
}

TEST(MathReward, TakesAnExtractedAnswerWhole) {
  EXPECT_EQ(MathGrade("3", "2 \\text{ or } 3", true).score, 0);
  EXPECT_EQ(MathGrade("2,3", "2 \\text{ or } 3", true).score, 1);
}

TEST(MathReward, ReadsTheGoldOfASolution) {
  EXPECT_EQ(ScoreOf("math", "\\boxed{18}", "She has 9 * 2 = 18.\n#### 18"), 1);
  EXPECT_EQ(ScoreOf("math", "\\boxed{18}", "Hence $9\\cdot2=\\boxed{18}$."), 1);
}

TEST(MathReward, SaysWhatItFoundAndWhy) {
  EXPECT_EQ(MathGrade("0.75", "\\boxed{\\frac34}").detail,
            "'\\frac34' (boxed) equals '0.75': exact");
  EXPECT_EQ(MathGrade("x+1", "The answer is $x+2$.").detail,
            "'x+2' (answer phrase) is not 'x+1': points");
  EXPECT_THAT(MathGrade("5", "\\boxed{\\spadesuit}").detail, HasSubstr("which is no formula"));
  EXPECT_THAT(MathGrade("5", "\\boxed{\\frac{1}{2}").detail, HasSubstr("cut off"));
  EXPECT_EQ(MathGrade("5", "").detail, "no answer in the completion");
}

TEST(MathReward, AnAnswerColumnItCannotReadIsUnparseable) {
  EXPECT_EQ(MathGrade("", "5").status, STATUS_UNPARSEABLE);
  EXPECT_EQ(MathGrade("", "It is \\boxed{5}.").detail, "the answer is empty; found '5' (boxed)");
  EXPECT_EQ(MathGrade("\\spadesuit+1", "\\boxed{5}").status, STATUS_UNPARSEABLE);
  EXPECT_EQ(MathGrade("\\spadesuit+1", "\\boxed{\\spadesuit + 1}").score, 1);
  EXPECT_EQ(MathGrade("a long walk home", "\\boxed{5}").status, STATUS_OK);
}

TEST(MathReward, ACompletionThatIsTheAnswerIsRight) {
  EXPECT_EQ(MathGrade("\\spadesuit+1", "\\spadesuit+1 ").score, 1);
  EXPECT_EQ(MathGrade("185\\", "185\\").score, 1);
  EXPECT_EQ(MathGrade("2", "ABCDE2F").score, 0);
}

TEST(MathReward, APredictionItCannotReadIsWrong) {
  const Grade grade = MathGrade("5", "\\boxed{\\spadesuit}");
  EXPECT_EQ(grade.status, STATUS_OK);
  EXPECT_EQ(grade.score, 0);
}

TEST(MathReward, AnAnswerThatCostsTooMuchIsWrong) {
  for (const char* costly : {"5+e^{-1000000}", "5\\pm1\\pm1\\pm1\\pm1\\pm1",
                             "\\sum_{a=1}^{999}\\sum_{b=1}^{999}\\sum_{c=1}^{999}abc"}) {
    for (const char* gold :
         {"5", "\\sqrt2+\\frac13", "x+1", "(1,2)", "1,2", "x>2", "5\\text{ cm}"}) {
      const Grade grade = MathGrade(gold, std::string("\\boxed{") + costly + "}");
      EXPECT_EQ(grade.status, STATUS_OK) << gold << " and " << costly << ": " << grade.detail;
      EXPECT_EQ(grade.score, 0) << gold << " and " << costly;
    }
    EXPECT_THAT(MathGrade("5", costly, true).detail, HasSubstr("costs more than the budget"));
  }
}

TEST(MathReward, AGoldAnswerThatCostsTooMuchIsATimeout) {
  EXPECT_EQ(MathGrade("5+e^{-1000000}", "\\boxed{5}").status, STATUS_TIMEOUT);
  EXPECT_EQ(
      MathGrade("\\sum_{a=1}^{999}\\sum_{b=1}^{999}\\sum_{c=1}^{999}abc", "\\boxed{5}").status,
      STATUS_TIMEOUT);
  EXPECT_EQ(MathGrade("(5+e^{-1000000},2)", "\\boxed{(5,2)}").status, STATUS_TIMEOUT);
}

TEST(MathReward, ConventionsAreOptions) {
  EXPECT_EQ(MathGrade("5", "\\boxed{x=5}", false, {{"assignments", "false"}}).score, 0);
  EXPECT_EQ(MathGrade("\\frac{1}{3}", "\\boxed{0.333}", false, {{"rel_tol", "1e-2"}}).score, 1);
  EXPECT_EQ(MathGrade("\\frac{1}{3}", "\\boxed{0.333}").score, 0);
  for (const auto& [gold, rounded, rel_tol] :
       {std::tuple("(\\frac{3}{5},\\frac{8}{3}]", "(0.6,2.6667]", "1e-4"),
        std::tuple("\\begin{pmatrix}\\frac13\\\\\\frac15\\end{pmatrix}",
                   "\\begin{pmatrix}0.33\\\\0.2\\end{pmatrix}", "0.011")}) {
    const std::string completion = std::string("\\boxed{") + rounded + "}";
    EXPECT_EQ(MathGrade(gold, completion, false, {{"rel_tol", rel_tol}}).score, 1) << gold;
    EXPECT_EQ(MathGrade(gold, completion, false, {}).score, 0) << gold;
  }
  EXPECT_THROW(MakeGrader("math", {{"rel_tol", "much"}}), Error);
  EXPECT_THROW(MakeGrader("math", {{"rel_tol", "-1"}}), Error);
  EXPECT_THROW(MakeGrader("math", {{"percents", "true"}}), Error);
}

}  // namespace
}  // namespace cohort::reward
