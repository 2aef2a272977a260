// Answers made to break a verifier. Each takes its place in a response and in the answer column;
// the bound on processor time leaves room for sanitizers.

#include <ctime>
#include <thread>

#include "reward/math/algebra/limits.h"
#include "tests/reward/grade.h"
#include "tests/reward/math/judge.h"

namespace cohort::reward::math {
namespace {

double ThreadMilliseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

std::string Repeat(const std::string& piece, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += piece;
  return text;
}

// Never a reward, in at most `limit` milliseconds, as prediction and as gold.
void ExpectHarmless(const std::string& answer, double limit = 400) {
  const auto grader = MakeGrader("math", {});
  for (const auto& [gold, pred] :
       {std::pair(std::string("8"), answer), std::pair(answer, std::string("8"))}) {
    for (const bool extracted : {false, true}) {
      Sample sample = MakeSample(extracted ? pred : "\\boxed{" + pred + "}", gold);
      sample.set_extracted(extracted);
      const double start = ThreadMilliseconds();
      const Grade grade = grader->Score(sample, Budget(std::chrono::milliseconds(10'000)));
      EXPECT_LT(ThreadMilliseconds() - start, limit) << Quote(answer);
      EXPECT_FALSE(grade.status == STATUS_OK && grade.score == 1) << Quote(answer);
      EXPECT_LT(grade.detail.size(), 600u);
    }
  }
}

TEST(HostileAnswers, TowersOfPowersAreNotWrittenOut) {
  ExpectHarmless("5^{5^{5^{5^{5}}}}");
  ExpectHarmless("5^(5^(5^(5^5)))");
  ExpectHarmless("(((((2^{31})^{31})^{31})^{31})^{31})^{31}");
  ExpectHarmless("2^{-2^{2^{2^{2^2}}}}");
  ExpectHarmless("9^{9^{9^{9}}}\\bmod 1000000007");
  ExpectHarmless("(1+10^{-9})^{10^{9}}");
  ExpectHarmless("(1+\\pi)^{10^{12}}");
  ExpectHarmless("e^{e^{e^{e^{e}}}}");
  ExpectHarmless("10^{999999999999999999}");
  ExpectHarmless("1e999999");
  ExpectHarmless("1e-999999");
}

TEST(HostileAnswers, FactorialsAreNotWrittenOut) {
  ExpectHarmless("10000000!");
  ExpectHarmless("((9!)!)!");
  ExpectHarmless("9" + std::string(5000, '!'));
  ExpectHarmless("\\binom{10^9}{5\\cdot10^8}");
  ExpectHarmless("\\frac{1}{10^{12}!}");
}

TEST(HostileAnswers, SumsAreNotWrittenOut) {
  ExpectHarmless("\\sum_{k=1}^{10^{12}}k");
  ExpectHarmless("\\sum_{a=1}^{1000}\\sum_{b=1}^{1000}\\sum_{c=1}^{1000}abc");
  ExpectHarmless("\\prod_{k=1}^{2000}k^{k^{2}}");
  ExpectHarmless("\\sum_{n=1}^{\\infty}\\frac{1}{n}");
  ExpectHarmless("\\sum_{k=1}^{n}\\sum_{j=1}^{n}\\sum_{i=1}^{n}x^{ijk}");
}

TEST(HostileAnswers, BracketsNestToALimit) {
  for (const auto& [open, close] :
       {std::pair("{", "}"), std::pair("(", ")"), std::pair("\\sqrt{", "}"),
        std::pair("\\frac{1}{1+", "}"), std::pair("|", "|"), std::pair("\\text{", "}"),
        std::pair("\\sin(", ")"), std::pair("2^{", "}"), std::pair("\\{", "\\}"),
        std::pair("\\boxed{", "}"), std::pair("\\lfloor", "\\rfloor")}) {
    for (const size_t depth : {90, 3000, 100'000}) {
      ExpectHarmless(Repeat(open, depth) + "7" + Repeat(close, depth), 1000);
      ExpectHarmless(Repeat(open, depth), 1000);
    }
  }
}

TEST(HostileAnswers, SignsNestToALimit) {
  ExpectHarmless(Repeat("-", 5001) + "8");
  ExpectHarmless(Repeat("\\pm", 3000) + "8");
  ExpectHarmless(Repeat("1\\pm", 30) + "8");
  ExpectHarmless("x" + Repeat("'", 5000));
  ExpectHarmless(Repeat("x^", 4000) + "2");
  ExpectHarmless(Repeat("1/", 2900) + "1");
  ExpectHarmless(Repeat("x mod ", 2900) + "1");
  ExpectHarmless(Repeat("\\{1\\}\\cup", 1400) + "\\{1\\}");
  ExpectHarmless(Repeat("1 \\choose ", 2900) + "1");
}

TEST(HostileAnswers, AMillionBracesAreNoFormula) {
  ExpectHarmless(std::string(1'000'000, '{'), 1000);
  ExpectHarmless(std::string(1'000'000, '}'), 1000);
  ExpectHarmless(std::string(1'000'000, '$'), 1000);
  ExpectHarmless(std::string(1'000'000, '\\'), 1000);
  ExpectHarmless(std::string(1'000'000, '9'), 1000);
  ExpectHarmless(std::string(1'000'000, '\xE2'), 1000);
  ExpectHarmless(Repeat("\\(", 500'000), 1000);
  ExpectHarmless(Repeat("1,", 500'000), 1000);
}

TEST(HostileAnswers, AHundredMegabytesAreReadOnceAtMost) {
  const std::string huge(100'000'000, '7');
  const double start = ThreadMilliseconds();
  EXPECT_EQ(ScoreOf("math", "\\boxed{" + huge + "}", "7"), 0);
  EXPECT_EQ(ScoreOf("math", huge + " so \\boxed{7}", "7"), 1);
  EXPECT_LT(ThreadMilliseconds() - start, 5000);
}

TEST(HostileAnswers, ResponsesFullOfCandidatesAreSearchedOnce) {
  const auto grader = MakeGrader("math", {});
  for (const char* piece :
       {"$x$ ", "1. a ", "the answer is x, ", "$1$, ", "answer answer ", "a:\n", "\\[ ", "$ 1 ",
        "<answer>", "#### ", "A B ", "= 1/ ", "a1", "x{1 ", "\\frac1 ", "5 or ", "1. First "}) {
    const Sample sample = MakeSample(Repeat(piece, 100'000), "8");
    const double start = ThreadMilliseconds();
    EXPECT_EQ(grader->Score(sample, Budget(std::chrono::milliseconds(10'000))).score, 0) << piece;
    EXPECT_LT(ThreadMilliseconds() - start, 1000) << piece;
  }
}

TEST(HostileAnswers, LongAnswersCompareAsTextOnly) {
  const std::string longer = Repeat("1+", kMaxAnswerBytes) + "1";
  EXPECT_TRUE(Same(longer, longer));
  EXPECT_FALSE(Same(longer, Repeat("1+", kMaxAnswerBytes) + "2"));
}

TEST(HostileAnswers, LongFormulasFitTheBudget) {
  ExpectHarmless(Repeat("(x+1)^{9}+", 300) + "(x+1)^9", 1000);
  ExpectHarmless(Repeat("\\sin(", 60) + "x" + Repeat(")", 60));
  ExpectHarmless(Repeat("\\sqrt{2+", 80) + "x" + Repeat("}", 80));
  ExpectHarmless(Repeat("\\sqrt{2}+", 800) + "\\pi", 1000);
  ExpectHarmless(Repeat("x,", 190) + "x^2", 1000);
  ExpectHarmless(Repeat("\\sin x,", 150) + "\\cos x", 1000);
  ExpectHarmless(Repeat("[0,1]\\cup", 60) + "[0,1]", 1000);
  ExpectHarmless("(x+y+z)^{100000}");
  ExpectHarmless("\\begin{pmatrix}" + Repeat("1&", 99) + "1\\end{pmatrix}");
  ExpectHarmless("\\int " + Repeat("x^2+", 200) + "1 dx");
  ExpectHarmless("\\frac{d}{dx}" + Repeat("(x+1)", 40));
  ExpectHarmless(Repeat("\\frac{d}{dx}", 6) + "\\frac{\\sin x}{x}");
  ExpectHarmless(Repeat("\\frac{d}{dx}", 30) + "\\frac{\\sin x}{x}");
}

TEST(HostileAnswers, ListsOfTheSameHardItemsFitTheBudget) {
  std::string gold, pred;
  for (int i = 2; i < 60; ++i) {
    gold += "\\sqrt{" + std::to_string(i) + "},";
    pred += "\\sqrt{" + std::to_string(61 - i) + "},";
  }
  const double start = ThreadMilliseconds();
  EXPECT_TRUE(Same(gold, pred));
  EXPECT_LT(ThreadMilliseconds() - start, 1000);
}

TEST(HostileAnswers, BytesThatAreNoTextAreNoFormula) {
  ExpectHarmless(std::string("8\0", 2));
  ExpectHarmless(
      "\xFF\xFE"
      "8");
  ExpectHarmless("8\xC3");
  ExpectHarmless(std::string(1000, '\0'));
}

TEST(HostileAnswers, VerdictsFromManyThreadsAgree) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_TRUE(Same("\\sqrt{3+2\\sqrt2}", "1+\\sqrt2"));
        EXPECT_FALSE(Same("7^{7^{7^7}}", "7^{7^{7^8}}"));
        EXPECT_TRUE(Same("\\sin2x", "2\\sin x\\cos x"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace cohort::reward::math
