#include "base/error.h"
#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

std::string ErrorOf(const std::string& reward, const OptionMap& options) {
  try {
    MakeGrader(reward, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return std::string(error.what()) + " | " + error.hint();
  }
  return "no error";
}

TEST(ExactAnswer, IgnoresWhiteSpaceAtTheEndsOnly) {
  EXPECT_EQ(ScoreOf("exact_answer", " 42\n", "42"), 1);
  EXPECT_EQ(ScoreOf("exact_answer", "4 2", "42"), 0);
  EXPECT_EQ(ScoreOf("exact_answer", "42.0", "42"), 0);
}

TEST(ExactAnswer, TakesWhatFollowsTheLastMarker) {
  const OptionMap after = {{"after", "="}};
  EXPECT_EQ(ScoreOf("exact_answer", "12+30=42", "42", after), 1);
  EXPECT_EQ(ScoreOf("exact_answer", "12+30=40+2=42", "42", after), 1);
  EXPECT_EQ(ScoreOf("exact_answer", "42", "42", after), 0);
  EXPECT_EQ(ScoreOf("exact_answer", "12+30=", "42", after), 0);
}

TEST(ExactAnswer, FoldsCaseOnlyWhenAsked) {
  EXPECT_EQ(ScoreOf("exact_answer", "Yes", "yes"), 0);
  EXPECT_EQ(ScoreOf("exact_answer", "Yes", "yes", {{"ignore_case", "true"}}), 1);
  EXPECT_EQ(ScoreOf("exact_answer", "Yess", "yes", {{"ignore_case", "true"}}), 0);
}

TEST(ExactAnswer, FailsRatherThanScoresWithoutAnAnswer) {
  EXPECT_EQ(GradeOf("exact_answer", "", "").status, STATUS_UNPARSEABLE);
}

TEST(Format, WantsTheR1TagsByDefault) {
  EXPECT_EQ(ScoreOf("format", "<think>a\nb</think>\n<answer>5</answer>\n"), 1);
  EXPECT_EQ(ScoreOf("format", "<think></think><answer></answer>"), 0);
  EXPECT_EQ(ScoreOf("format", "<think>a</think><answer> \n</answer>"), 0);
  EXPECT_EQ(ScoreOf("format", "<think>\n\n</think><answer>b</answer>"), 0);
  EXPECT_EQ(ScoreOf("format", "</think><answer>b</answer>", "", {{"opened", "true"}}), 0);
  EXPECT_EQ(ScoreOf("format", "<think>a</think>5"), 0);
  EXPECT_EQ(ScoreOf("format", "<answer>5</answer><think>a</think>"), 0);
  EXPECT_EQ(ScoreOf("format", "Sure: <think>a</think><answer>5</answer>"), 0);
  EXPECT_EQ(ScoreOf("format", "<think>a</think><answer>5</answer> Bye"), 0);
  EXPECT_EQ(ScoreOf("format", "<think>a</think> so <answer>5</answer>"), 0);
  EXPECT_EQ(ScoreOf("format", "<think>a<think>b</think><answer>5</answer>"), 0);
  EXPECT_EQ(ScoreOf("format", "<think>a</think><answer>5</answer><answer>6</answer>"), 0);
  EXPECT_EQ(ScoreOf("format", "<think>a</think><answer>5"), 0);
  EXPECT_EQ(ScoreOf("format", ""), 0);
}

TEST(Format, KnowsThatThePromptMayHaveOpenedTheFirstTag) {
  const OptionMap opened = {{"opened", "true"}};
  EXPECT_EQ(ScoreOf("format", "a</think><answer>5</answer>", "", opened), 1);
  EXPECT_EQ(ScoreOf("format", "<think>a</think><answer>5</answer>", "", opened), 0);
}

TEST(Format, TakesOtherTags) {
  EXPECT_EQ(ScoreOf("format", "<plan>x</plan><code>y</code>", "", {{"tags", "plan, code"}}), 1);
  EXPECT_NE(ErrorOf("format", {{"tags", "plan,,code"}}).find("expected names"), std::string::npos);
}

TEST(Format, MatchesAPatternInFullOrAnywhere) {
  const std::string pattern = "#### -?\\d+";
  EXPECT_EQ(ScoreOf("format", "#### 18", "", {{"pattern", pattern}}), 1);
  EXPECT_EQ(ScoreOf("format", "so\n#### 18", "", {{"pattern", pattern}}), 0);
  const OptionMap search = {{"pattern", pattern}, {"match", "search"}};
  EXPECT_EQ(ScoreOf("format", "so\n#### 18 done", "", search), 1);
  EXPECT_EQ(ScoreOf("format", "nothing", "", search), 0);
}

TEST(Format, FindsAMatchWhereverItStarts) {
  for (const size_t before : {0u, 1u, 63u, 64u, 65u, 128u, 1000u}) {
    const OptionMap search = {{"pattern", "x+$"}, {"match", "search"}};
    EXPECT_EQ(ScoreOf("format", std::string(before, '\n') + "xx", "", search), 1) << before;
    std::string wide;
    for (size_t i = 0; i < before; ++i) wide += "\xE2\x82\xAC";
    EXPECT_EQ(ScoreOf("format", wide + "xx", "", search), 1) << before << " three-byte characters";
    const OptionMap behind = {{"pattern", "(?<=\\x{20AC})x$"}, {"match", "search"}};
    EXPECT_EQ(ScoreOf("format", wide + "\xE2\x82\xACx", "", behind), 1) << before;
  }
}

TEST(Format, CountsCharactersNotBytesInAPattern) {
  EXPECT_EQ(ScoreOf("format", "\xC3\xA9", "", {{"pattern", "."}}), 1);
  EXPECT_EQ(ScoreOf("format", "\xFF", "", {{"pattern", "."}}), 1)
      << "a stray byte is one character";
}

TEST(Format, RefusesAPatternThatDoesNotCompileNamingThePlace) {
  const std::string error = ErrorOf("format", {{"pattern", "a(b"}});
  EXPECT_NE(error.find("at byte 3"), std::string::npos) << error;
  EXPECT_NE(error.find("missing closing parenthesis"), std::string::npos) << error;
  EXPECT_NE(ErrorOf("format", {{"pattern", std::string(20'000, 'a')}}).find("20000 bytes"),
            std::string::npos);
}

// arXiv 2503.14476, equation 13, with L_max = 100 and L_cache = 20.
TEST(Length, PunishesOverlongCompletionsAlongDaposSlope) {
  const OptionMap options = {{"max", "100"}, {"cache", "20"}};
  const std::pair<size_t, double> points[] = {{0, 0},      {80, 0},   {81, -0.05}, {90, -0.5},
                                              {99, -0.95}, {100, -1}, {101, -1},   {5000, -1}};
  for (const auto& [length, penalty] : points) {
    EXPECT_DOUBLE_EQ(ScoreOf("length", std::string(length, 'x'), "", options), penalty) << length;
  }
}

TEST(Length, CountsTheTokensOfARunAgainstAMaximum) {
  Sample sample = MakeSample("one two three");
  sample.set_completion_tokens(90);
  const auto grade = [&](const OptionMap& options) {
    return MakeGrader("length", options)->Score(sample, Budget(std::chrono::milliseconds(1000)));
  };
  EXPECT_DOUBLE_EQ(grade({{"max", "100"}, {"cache", "20"}}).score, -0.5);
  EXPECT_EQ(grade({{"max", "100"}}).detail, "90 tokens");
  EXPECT_EQ(grade({{"max", "100"}, {"unit", "characters"}}).detail, "13 characters");
  EXPECT_EQ(grade({{"target", "100"}}).detail, "13 characters");
  EXPECT_DOUBLE_EQ(grade({{"target", "100"}, {"unit", "tokens"}}).score, 0.9);
  sample.clear_completion_tokens();
  EXPECT_EQ(grade({{"max", "100"}, {"unit", "tokens"}}).status, STATUS_UNPARSEABLE);
}

TEST(Length, PrefersATarget) {
  const OptionMap options = {{"target", "10"}, {"unit", "words"}};
  EXPECT_DOUBLE_EQ(ScoreOf("length", "a b c d e f g h i j", "", options), 1);
  EXPECT_DOUBLE_EQ(ScoreOf("length", " a b\n c d  e ", "", options), 0.5);
  EXPECT_DOUBLE_EQ(ScoreOf("length", "", "", options), 0);
}

TEST(Length, CountsCharactersNotBytes) {
  EXPECT_EQ(GradeOf("length", "\xE2\x82\xAC\xC3\xA9x", "", {{"max", "9"}}).detail, "3 characters");
}

TEST(Length, RefusesOptionsThatDoNotFitTogether) {
  EXPECT_NE(ErrorOf("length", {}).find("exactly one"), std::string::npos);
  EXPECT_NE(ErrorOf("length", {{"max", "5"}, {"target", "5"}}).find("exactly one"),
            std::string::npos);
  EXPECT_NE(ErrorOf("length", {{"max", "5"}, {"cache", "6"}}).find("may not exceed"),
            std::string::npos);
  EXPECT_NE(ErrorOf("length", {{"max", "-5"}}).find("is '-5', expected a whole number"),
            std::string::npos);
  EXPECT_NE(ErrorOf("length", {{"max", "5"}, {"unit", "word"}}).find("did you mean 'words'"),
            std::string::npos);
}

TEST(Registry, NamesTheNearestRewardAndOption) {
  EXPECT_NE(ErrorOf("last_nubmer", {}).find("did you mean 'last_number'"), std::string::npos);
  EXPECT_NE(ErrorOf("last_nubmer", {}).find("the rewards are: last_number, boxed_answer"),
            std::string::npos);
  EXPECT_NE(ErrorOf("format", {{"patern", "x"}}).find("did you mean 'pattern'"), std::string::npos);
  EXPECT_NE(ErrorOf("boxed_answer", {{"x", "y"}}).find("no option 'x'"), std::string::npos);
}

TEST(Registry, HasADescriptionForEverythingItOffers) {
  EXPECT_GE(RegisteredRewards().size(), 6u);
  for (const RewardInfo& reward : RegisteredRewards()) {
    EXPECT_FALSE(reward.description.empty()) << reward.name;
    for (const OptionInfo& option : reward.options)
      EXPECT_FALSE(option.description.empty()) << option.name;
  }
}

}  // namespace
}  // namespace cohort::reward
