#include "rl/data/problem_generator.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "base/error.h"

namespace cohort::rl {
namespace {

constexpr auto kAddition = proto::Data::GENERATOR_ADDITION;
constexpr auto kWordProblems = proto::Data::GENERATOR_WORD_PROBLEMS;

TEST(ProblemGenerator, IsAPureFunctionOfSeedAndIndex) {
  for (const auto kind : {kAddition, kWordProblems}) {
    const Problem once = GenerateProblem(kind, 5, 123);
    EXPECT_EQ(GenerateProblem(kind, 5, 123).prompt, once.prompt);
    EXPECT_NE(GenerateProblem(kind, 6, 123).prompt, once.prompt);
    EXPECT_NE(GenerateProblem(kind, 5, 124).prompt, once.prompt);
  }
}

TEST(ProblemGenerator, TheAnswerOfAnAdditionIsTheSumOfItsDigits) {
  const std::regex form("([1-9]\\+){5}[1-9]=");
  std::set<std::string> prompts;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Problem problem = GenerateProblem(kAddition, 1, i);
    ASSERT_TRUE(std::regex_match(problem.prompt, form)) << problem.prompt;
    int sum = 0;
    for (size_t at = 0; at < problem.prompt.size(); at += 2) sum += problem.prompt[at] - '0';
    EXPECT_EQ(problem.answer, std::to_string(sum));
    EXPECT_EQ(problem.completion, problem.answer);
    prompts.insert(problem.prompt);
  }
  EXPECT_GT(prompts.size(), 1900u) << "too few different problems";
}

// The equations of a worked answer, checked one by one.
void CheckWorking(const Problem& problem) {
  const std::regex equation("([0-9]+) ([-+x]) ([0-9]+) = ([0-9]+)\\.");
  std::string last;
  const std::string& text = problem.completion;
  for (std::sregex_iterator it(text.begin(), text.end(), equation), end; it != end; ++it) {
    const int a = std::stoi((*it)[1]), b = std::stoi((*it)[3]);
    const char sign = (*it)[2].str()[0];
    last = (*it)[4];
    EXPECT_EQ(std::stoi(last), sign == '+' ? a + b : sign == '-' ? a - b : a * b) << text;
  }
  EXPECT_EQ(last, problem.answer) << text;
  EXPECT_TRUE(text.ends_with(" The answer is " + problem.answer + ".")) << text;
  EXPECT_GT(std::stoi(problem.answer), 0) << problem.prompt;
}

TEST(ProblemGenerator, AWordProblemsWorkingLeadsToItsAnswer) {
  std::set<std::string> prompts;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Problem problem = GenerateProblem(kWordProblems, 1, i);
    CheckWorking(problem);
    EXPECT_TRUE(problem.prompt.ends_with("?")) << problem.prompt;
    prompts.insert(problem.prompt);
  }
  EXPECT_GT(prompts.size(), 1900u);
}

}  // namespace
}  // namespace cohort::rl
