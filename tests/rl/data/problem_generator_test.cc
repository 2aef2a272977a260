#include "rl/data/problem_generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "base/error.h"
#include "tests/rl/temporary_folder.h"

namespace cohort::rl {
namespace {

using testing::HasSubstr;

constexpr auto kAddition = proto::Data::GENERATOR_ADDITION;
constexpr auto kWordProblems = proto::Data::GENERATOR_WORD_PROBLEMS;

proto::Data Generator(proto::Data::Generator generator) {
  proto::Data data;
  data.set_generator(generator);
  return data;
}

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

TEST(ProblemSource, TrainingNeverMeetsAHeldOutProblem) {
  ProblemSource source(Generator(kAddition), 1, 500);
  std::set<std::string> held_out;
  for (const Problem& problem : source.test()) held_out.insert(problem.prompt);
  ASSERT_EQ(held_out.size(), 500u) << "all different";
  int avoided = 0;
  for (uint64_t i = 0; i < 20'000; ++i) {
    avoided += held_out.contains(GenerateProblem(kAddition, 1, i).prompt) ? 1 : 0;
    ASSERT_FALSE(held_out.contains(source.Train(i).prompt));
  }
  EXPECT_GT(avoided, 0) << "the test would not have noticed";
}

TEST(ProblemSource, TheCursorAloneDecidesTheProblem) {
  ProblemSource straight(Generator(kWordProblems), 9, 20), resumed(Generator(kWordProblems), 9, 20);
  std::vector<std::string> prompts;
  for (uint64_t i = 0; i < 50; ++i) prompts.push_back(straight.Train(i).prompt);
  for (uint64_t i = 50; i-- > 30;) EXPECT_EQ(resumed.Train(i).prompt, prompts[i]);
}

TEST(ProblemSource, EverySeedIsMeasuredOnTheSameProblems) {
  const ProblemSource one(Generator(kAddition), 1, 10), two(Generator(kAddition), 2, 10);
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(one.test()[i].prompt, two.test()[i].prompt);
}

TEST(ProblemSource, GeneratedQuestionsArePosedAsTheRecipeWantsThem) {
  proto::Data chat = Generator(kWordProblems);
  chat.set_chat(true);
  chat.set_instruction("Be brief.");
  ProblemSource source(chat, 1, 3);
  for (const Problem& problem : {source.Train(0), source.test().front()}) {
    ASSERT_EQ(problem.messages.size(), 2u);
    EXPECT_EQ(problem.messages[0].at("content"), "Be brief.");
    EXPECT_EQ(problem.messages[1].at("content"), problem.prompt);
  }
  proto::Data plain = Generator(kAddition);
  plain.set_instruction("Add:");
  EXPECT_TRUE(ProblemSource(plain, 1, 3).Train(0).prompt.starts_with("Add:\n"));
}

TEST(ProblemSource, FilesAreShuffledFilteredAndHeldOut) {
  TemporaryFolder folder;
  std::ostringstream rows;
  for (int i = 0; i < 10; ++i) {
    rows << "{\"prompt\":\"" << std::string(i + 1, 'x') << "\",\"answer\":\"" << i << "\"}\n";
  }
  proto::Data data;
  data.set_train(folder.Write("train.jsonl", rows.str()));
  data.set_test(folder.Write("test.jsonl", rows.str()));
  ProblemSource source(data, 1, 3, [](const Problem& p) { return p.prompt.size() <= 8; });
  EXPECT_EQ(source.train_size(), 8u);
  EXPECT_EQ(source.left_out(), 2u);
  ASSERT_EQ(source.test().size(), 3u);
  EXPECT_EQ(source.test()[0].answer, "0") << "the first rows of the file";
  std::set<std::string> epoch;
  for (uint64_t i = 8; i < 16; ++i) epoch.insert(source.Train(i).answer);
  EXPECT_EQ(epoch.size(), 8u);
}

TEST(ProblemSource, AFileWithoutAUsablePromptIsRefused) {
  TemporaryFolder folder;
  proto::Data data;
  data.set_train(folder.Write("train.jsonl", "{\"prompt\":\"x\",\"answer\":\"1\"}\n"));
  try {
    ProblemSource(data, 1, 3, [](const Problem&) { return false; });
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("all 1 prompts are empty or longer"));
  }
}

}  // namespace
}  // namespace cohort::rl
