// repetition, language, fuzzy_match: how a completion is said.

#include <random>

#include "reward/text/edit_distance.h"
#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

TEST(Repetition, IsNoPenaltyForATextThatSaysEverythingOnce) {
  EXPECT_EQ(ScoreOf("repetition", "one two three four five"), 0);
  EXPECT_EQ(ScoreOf("repetition", ""), 0);
  EXPECT_EQ(ScoreOf("repetition", "a a"), 0);  // shorter than a run
}

// open-r1's get_repetition_penalty_reward with max_penalty -1.
TEST(Repetition, FallsWithTheShareOfRunsThatOccurredBefore) {
  EXPECT_DOUBLE_EQ(ScoreOf("repetition", "a b c a b c"), -0.25);  // abc bca cab abc
  EXPECT_DOUBLE_EQ(ScoreOf("repetition", "No no NO no", "", {{"n", "1"}}), -0.75);
  EXPECT_DOUBLE_EQ(ScoreOf("repetition", "one two one two", "", {{"n", "2"}}), 1.0 / -3);
}

TEST(Repetition, CountsCharactersWhereThereAreNoSpaces) {
  const OptionMap characters = {{"unit", "characters"}, {"n", "2"}};
  EXPECT_DOUBLE_EQ(ScoreOf("repetition", "你好你好", "", characters), 1.0 / -3);
  EXPECT_EQ(ScoreOf("repetition", "你好世界", "", characters), 0);
}

TEST(Repetition, SeesTextWithoutSpacesBetweenItsWords) {
  const auto often = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return ScoreOf("repetition", all);
  };
  EXPECT_LT(often("我们先计算这个积分。", 10), -0.8);
  EXPECT_LT(often("まず、この積分を計算します。", 10), -0.8);
  EXPECT_LT(often("เราคำนวณผลรวม", 10), -0.8);
  EXPECT_LT(often("所以答案是 42，", 10), -0.8) << "with words of other scripts between them";
  EXPECT_EQ(ScoreOf("repetition", "我们先计算这个积分的值，然后再把结果代入第二个方程求解。"), 0);
  EXPECT_EQ(ScoreOf("repetition", "我们先算左边，我们再算右边。"), 0)
      << "two characters are a word";
  // Runs of 6 characters: abcdef bcdefa cdefab defabc efabcd fabcde abcdef.
  EXPECT_DOUBLE_EQ(ScoreOf("repetition", "天地玄黄宇宙天地玄黄宇宙"), 6.0 / 7 - 1);
}

double LanguageScore(const std::string& prompt, const std::string& completion,
                     const OptionMap& options = {}) {
  Sample sample = MakeSample(completion);
  sample.set_prompt(prompt);
  const Grade grade =
      MakeGrader("language", options)->Score(sample, Budget(std::chrono::milliseconds(10'000)));
  EXPECT_EQ(grade.status, STATUS_OK) << grade.detail;
  return grade.score;
}

TEST(Language, IsTheShareOfWordsInThePromptsLanguage) {
  EXPECT_EQ(LanguageScore("What is the sum?", "The sum is 12."), 1);
  EXPECT_EQ(LanguageScore("What is the sum?", "总和是十二"), 0);
  EXPECT_DOUBLE_EQ(LanguageScore("What is the sum?", "The sum 总和"), 0.5);
  EXPECT_EQ(LanguageScore("总和是多少", "总和是 12。"), 1);
  EXPECT_LT(LanguageScore("总和是多少", "So the answer is 总和"), 0.5);
  EXPECT_EQ(LanguageScore("Сколько будет 2 + 2?", "Четыре."), 1);
}

TEST(Language, KnowsJapaneseByItsKana) {
  EXPECT_EQ(LanguageScore("合計はいくつですか", "合計は十二です"), 1);
  EXPECT_EQ(LanguageScore("合計はいくつですか", "The answer"), 0);
}

TEST(Language, TellsLanguagesInLatinLettersApartByTheirCommonestWords) {
  EXPECT_EQ(LanguageScore("What is the sum of the numbers?", "Die Summe ist nicht zu sehen."), 0);
  EXPECT_EQ(LanguageScore("Quelle est la somme des nombres?", "La somme est 12, donc oui."), 1);
  EXPECT_DOUBLE_EQ(
      LanguageScore("What is the sum?", "We add the numbers. Das ist nicht die Summe."), 4.0 / 9);
}

TEST(Language, LeavesNumbersFormulasAndUndecidedWordsAlone) {
  EXPECT_EQ(LanguageScore("What is the sum?", "12 + 30 = 42"), 1);
  EXPECT_EQ(LanguageScore("What is the sum?", "x = y"), 1);
  EXPECT_EQ(LanguageScore("", "hello", {{"language", "en"}}), 1);
  EXPECT_EQ(LanguageScore("", "你好", {{"language", "en"}}), 0);
}

TEST(Language, FailsRatherThanScoresWithoutAPromptInWords) {
  Sample sample = MakeSample("yes");
  sample.set_prompt("1 + 1");
  const Grade grade =
      MakeGrader("language", {})->Score(sample, Budget(std::chrono::milliseconds(10'000)));
  EXPECT_EQ(grade.status, STATUS_UNPARSEABLE);
}

// evaluate-v2.0.py of SQuAD gives these.
TEST(FuzzyMatch, CountsWordsInCommonAsSquadDoes) {
  EXPECT_EQ(ScoreOf("fuzzy_match", "The Eiffel Tower!", "eiffel tower"), 1);
  EXPECT_DOUBLE_EQ(ScoreOf("fuzzy_match", "a cat sat", "the cat"), 2.0 / 3);
  EXPECT_EQ(ScoreOf("fuzzy_match", "dog", "cat"), 0);
  EXPECT_DOUBLE_EQ(ScoreOf("fuzzy_match", "cat cat", "cat"), 2.0 / 3);
  EXPECT_EQ(ScoreOf("fuzzy_match", "ＣＡＦÉ", "café"), 1);
}

TEST(FuzzyMatch, MeasuresEditsInCharacters) {
  const OptionMap edit = {{"metric", "edit"}};
  EXPECT_DOUBLE_EQ(ScoreOf("fuzzy_match", "kitten", "sitting", edit), 1 - 3.0 / 7);
  EXPECT_EQ(ScoreOf("fuzzy_match", "Same.", "same", edit), 1);
  EXPECT_DOUBLE_EQ(ScoreOf("fuzzy_match", "", "four", edit), 0);
}

TEST(FuzzyMatch, IsAllOrNothingWithAThreshold) {
  const OptionMap options = {{"metric", "edit"}, {"threshold_percent", "80"}};
  EXPECT_EQ(ScoreOf("fuzzy_match", "colour", "color", options), 1);
  EXPECT_EQ(ScoreOf("fuzzy_match", "dolor", "colour", options), 0);
}

TEST(FuzzyMatch, IsNotWonByALongTextThatHoldsTheAnswerAmongEverything) {
  std::string everything;
  for (int i = 0; i < 100; ++i) everything += std::to_string(i) + " ";
  EXPECT_LT(ScoreOf("fuzzy_match", everything, "42"), 0.05);
  EXPECT_EQ(ScoreOf("fuzzy_match", std::string(100'000, 'x'), "x"), 0);
}

int64_t TableDistance(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<int64_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int64_t>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int64_t diagonal = row[0];
    row[0] = static_cast<int64_t>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int64_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

TEST(EditDistance, IsThatOfTheWholeTable) {
  std::mt19937 random(5);
  for (int round = 0; round < 400; ++round) {
    const auto draw = [&] {
      std::vector<uint32_t> text(random() % 300);
      for (uint32_t& c : text) c = 'a' + random() % 3;
      return text;
    };
    const std::vector<uint32_t> a = draw(), b = draw();
    ASSERT_EQ(EditDistance(a, b, Budget(std::chrono::milliseconds(10'000))), TableDistance(a, b))
        << "round " << round << ", " << a.size() << " and " << b.size() << " characters";
  }
}

TEST(EditDistance, StopsWhenTheBudgetIsExhausted) {
  const std::vector<uint32_t> text(1000, 'a');
  EXPECT_FALSE(EditDistance(text, text, Budget(std::chrono::milliseconds(0))).has_value());
}

}  // namespace
}  // namespace cohort::reward
