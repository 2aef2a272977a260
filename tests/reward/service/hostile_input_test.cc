// Inputs made to be slow, deep or huge: every reward answers within a bound of processor time that
// leaves room for sanitizers, and that a quadratic algorithm misses by orders of magnitude.

#include <ctime>

#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;

// Processor time of this thread: other programs on the machine do not count.
milliseconds ThreadTime() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return milliseconds(now.tv_sec * 1000 + now.tv_nsec / 1'000'000);
}

constexpr size_t kMillion = 1'000'000;

std::string Repeat(const std::string& piece, size_t times) {
  std::string text;
  text.reserve(piece.size() * times);
  for (size_t i = 0; i < times; ++i) text += piece;
  return text;
}

std::vector<std::string> HugeTexts() {
  return {
      std::string(kMillion, '{'),
      std::string(kMillion, '}'),
      Repeat("\\boxed{", 200'000),
      Repeat("\\boxed{", 100'000) + "1" + std::string(100'000, '}'),
      Repeat("\\boxed{1},", 100'000),
      Repeat("1,", 500'000),
      Repeat("m^2 ", 250'000),
      Repeat("^2", 500'000),
      std::string(kMillion, '9'),
      std::string(kMillion, '-') + "1",
      std::string(kMillion, '\\'),
      Repeat("1,234", 200'000),
      Repeat("1e5", 300'000),
      Repeat("<think>", 150'000),
      Repeat("<think></think>", 70'000) + "5",
      std::string(kMillion, '\0'),
      std::string(kMillion, '\xFF'),
      Repeat("\\frac", 200'000),
      Repeat("\\text{", 150'000),
      Repeat("= ", 500'000),
  };
}

TEST(HostileInput, EveryTextRewardTakesAMegabyteInItsStride) {
  const std::pair<std::string, OptionMap> rewards[] = {
      {"last_number", {}}, {"boxed_answer", {}},         {"exact_answer", {{"after", "="}}},
      {"format", {}},      {"length", {{"max", "100"}}}, {"math", {}},
  };
  for (const auto& [name, options] : rewards) {
    const auto grader = MakeGrader(name, options);
    for (const std::string& text : HugeTexts()) {
      for (const bool as_answer : {false, true}) {
        const Sample sample = as_answer ? MakeSample("\\boxed{5}", text) : MakeSample(text, "5");
        const auto start = ThreadTime();
        grader->Score(sample, Budget(milliseconds(10'000)));
        EXPECT_LT(ThreadTime() - start, milliseconds(1000))
            << name << " on " << Quote(text) << (as_answer ? " as answer" : "");
      }
    }
  }
}

TEST(HostileInput, ARegexBombIsATimeoutNotAHang) {
  const std::pair<const char*, std::string> bombs[] = {
      {"(a+)+", std::string(40, 'a') + "b"},
      {"(a|aa)+", std::string(60, 'a') + "b"},
      {"(.*)*x", std::string(5'000, 'a')},
      {"(a|a?)+$", std::string(kMillion, 'a') + "b"},
      {"^(([a-z])+.)+[A-Z]([a-z])+$", std::string(kMillion, 'a')},
  };
  for (const auto& [pattern, text] : bombs) {
    for (const char* match : {"full", "search"}) {
      const auto start = ThreadTime();
      const Grade grade =
          GradeOf("format", text, "", {{"pattern", pattern}, {"match", match}}, 1000);
      EXPECT_LT(ThreadTime() - start, milliseconds(5000)) << pattern << " " << match;
      if (grade.status == STATUS_OK) continue;
      EXPECT_EQ(grade.status, STATUS_TIMEOUT) << pattern << " " << match << ": " << grade.detail;
    }
  }
  EXPECT_EQ(GradeOf("format", std::string(40, 'a') + "b", "", {{"pattern", "(a+)+"}}).status,
            STATUS_TIMEOUT);
}

TEST(HostileInput, ASearchThatIsSlowAtEachPlaceStopsAtTheDeadline) {
  // Each of a million places costs a walk to the end of its line of 2,000.
  const std::string text = Repeat(std::string(2'000, 'a') + "\n", 500);
  const auto start = ThreadTime();
  const Grade grade =
      GradeOf("format", text, "", {{"pattern", "a*?[bc]"}, {"match", "search"}}, 200);
  EXPECT_EQ(grade.status, STATUS_TIMEOUT);
  EXPECT_EQ(grade.detail, "the pattern did not finish in time on this completion");
  EXPECT_LT(ThreadTime() - start, milliseconds(3000));
}

TEST(HostileInput, ALargePlainTextIsSearchedWhole) {
  EXPECT_EQ(ScoreOf("format", std::string(kMillion, 'a') + "b", "",
                    {{"pattern", "ab$"}, {"match", "search"}}),
            1);
}

TEST(HostileInput, DetailsStayShortAndValidUtf8) {
  const Terms terms = {{"exact_answer", 1, MakeGrader("exact_answer", {})}};
  const Verdict verdict = ScoreSample(terms, MakeSample(std::string(kMillion, '\xFF'), "5"),
                                      milliseconds(1000), nullptr);
  EXPECT_LT(verdict.detail().size(), 1000u);
  Verdict parsed;
  EXPECT_TRUE(parsed.ParseFromString(verdict.SerializeAsString()));
}

}  // namespace
}  // namespace cohort::reward
