#include "rl/data/problem_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "rl/data/problem_generator.h"
#include "tests/fakes/fake_row_source.h"

namespace cohort::rl {
namespace {

using base::TemporaryFolder;
using testing::HasSubstr;

constexpr auto kAddition = proto::Data::GENERATOR_ADDITION;
constexpr auto kWordProblems = proto::Data::GENERATOR_WORD_PROBLEMS;

proto::Data Generator(proto::Data::Generator kind) {
  proto::Data data;
  data.set_generator(kind);
  return data;
}

// Without a tokenizer.
ProblemSource::Options Plain(uint64_t seed, int test_problems) {
  ProblemSource::Options options;
  options.seed = seed;
  options.test_problems = test_problems;
  options.encode = [](Problem problem) {
    return std::make_shared<const EncodedProblem>(EncodedProblem{std::move(problem), {}, "{}"});
  };
  return options;
}

TEST(ProblemSource, TokenizesARowOfAFileOnce) {
  TemporaryFolder folder;
  proto::Data data;
  data.set_train(folder.Write("train.jsonl", "{\"prompt\":\"x\",\"answer\":\"1\"}\n"));
  ProblemSource::Options options = Plain(1, 0);
  int encoded = 0;
  options.encode = [&](Problem problem) {
    ++encoded;
    return std::make_shared<const EncodedProblem>(EncodedProblem{std::move(problem), {7}, "{}"});
  };
  options.keep = [](const EncodedProblem& problem) { return problem.prompt_ids.size() == 1; };
  ProblemSource source(data, options);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(source.Train(i)->prompt_ids.size(), 1u);
  EXPECT_EQ(encoded, 1);
}

TEST(ProblemSource, ReadsEachRowOfAFiniteSourceOnceHoweverManyEpochsThereAre) {
  auto train = std::make_unique<FakeRowSource>(std::vector<std::string>{"a", "b", "c"});
  const FakeRowSource& read = *train;
  ProblemSource source({std::move(train), nullptr, "rows"}, Plain(1, 0));
  for (uint64_t epoch = 0; epoch < 4; ++epoch) {
    std::multiset<std::string> prompts;
    for (uint64_t i = 0; i < 3; ++i) prompts.insert(source.Train(3 * epoch + i)->problem.prompt);
    EXPECT_EQ(prompts, (std::multiset<std::string>{"a", "b", "c"}));
  }
  EXPECT_EQ(read.reads(), (std::vector<int>{1, 1, 1}));
  EXPECT_TRUE(source.test().empty());
}

TEST(ProblemSource, AnEndlessSourceWithTooFewDifferentRowsIsRefused) {
  const auto endless = [](std::vector<std::string> prompts) {
    return std::make_unique<FakeRowSource>(std::move(prompts), FakeRowSource::End::kEndless);
  };
  try {
    ProblemSource source({endless({"a", "b"}), endless({"a", "b"}), "rows"}, Plain(1, 3));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("rows has fewer than 3 different problems"));
  }
  ProblemSource all_held_out({endless({"a"}), endless({"a"}), "rows"}, Plain(1, 1));
  try {
    all_held_out.Train(0);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the held-out problems leave nothing of rows to train on"));
  }
}

TEST(ProblemSource, TrainingNeverMeetsAHeldOutProblem) {
  ProblemSource source(Generator(kAddition), Plain(1, 500));
  std::set<std::string> held_out;
  for (const SharedProblem& held : source.test()) held_out.insert(held->problem.prompt);
  ASSERT_EQ(held_out.size(), 500u) << "all different";
  int avoided = 0;
  for (uint64_t i = 0; i < 20'000; ++i) {
    avoided += held_out.contains(GenerateProblem(kAddition, 1, i).prompt) ? 1 : 0;
    ASSERT_FALSE(held_out.contains(source.Train(i)->problem.prompt));
  }
  EXPECT_GT(avoided, 0) << "the test would not have noticed";
}

TEST(ProblemSource, TheCursorAloneDecidesTheProblem) {
  ProblemSource straight(Generator(kWordProblems), Plain(9, 20)),
      resumed(Generator(kWordProblems), Plain(9, 20));
  std::vector<std::string> prompts;
  for (uint64_t i = 0; i < 50; ++i) prompts.push_back(straight.Train(i)->problem.prompt);
  for (uint64_t i = 50; i-- > 30;) EXPECT_EQ(resumed.Train(i)->problem.prompt, prompts[i]);
}

TEST(ProblemSource, EverySeedIsMeasuredOnTheSameProblems) {
  const ProblemSource one(Generator(kAddition), Plain(1, 10)),
      two(Generator(kAddition), Plain(2, 10));
  for (size_t i = 0; i < 10; ++i)
    EXPECT_EQ(one.test()[i]->problem.prompt, two.test()[i]->problem.prompt);
}

TEST(ProblemSource, GeneratedQuestionsArePosedAsTheRecipeWantsThem) {
  proto::Data chat = Generator(kWordProblems);
  chat.set_chat(true);
  chat.set_instruction("Be brief.");
  ProblemSource source(chat, Plain(1, 3));
  for (const SharedProblem& shared : {source.Train(0), source.test().front()}) {
    const Problem& problem = shared->problem;
    ASSERT_EQ(problem.messages.size(), 2u);
    EXPECT_EQ(problem.messages[0].at("content"), "Be brief.");
    EXPECT_EQ(problem.messages[1].at("content"), problem.prompt);
  }
  proto::Data plain = Generator(kAddition);
  plain.set_instruction("Add:");
  EXPECT_TRUE(ProblemSource(plain, Plain(1, 3)).Train(0)->problem.prompt.starts_with("Add:\n"));
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
  ProblemSource::Options options = Plain(1, 3);
  options.keep = [](const EncodedProblem& encoded) { return encoded.problem.prompt.size() <= 8; };
  ProblemSource source(data, options);
  EXPECT_EQ(source.train_size(), 8u);
  EXPECT_EQ(source.left_out(), 2u);
  ASSERT_EQ(source.test().size(), 3u);
  EXPECT_EQ(source.test()[0]->problem.answer, "0") << "the first rows of the file";
  std::set<std::string> epoch;
  for (uint64_t i = 8; i < 16; ++i) epoch.insert(source.Train(i)->problem.answer);
  EXPECT_EQ(epoch.size(), 8u);
}

TEST(ProblemSource, WhatCannotBeReadOrEncodedIsCountedAndTheOthersComeInTheSameOrder) {
  TemporaryFolder folder;
  std::string rows, good;
  for (int i = 0; i < 10; ++i) {
    const std::string row = "{\"prompt\":\"" + std::to_string(i) + "\",\"answer\":\"1\"}\n";
    rows += row;
    if (i != 4) good += row;
    if (i == 6) rows += "{\"prompt\":\n";
  }
  proto::Data data, clean;
  data.set_train(folder.Write("train.jsonl", rows));
  clean.set_train(folder.Write("good.jsonl", good));
  ProblemSource::Options options = Plain(1, 0);
  options.encode = [](Problem problem) {
    if (problem.prompt == "4") throw Error(ErrorCode::kUsage, "the template says no");
    return std::make_shared<const EncodedProblem>(EncodedProblem{std::move(problem), {}, "{}"});
  };
  data.set_max_unreadable_share(0.2);
  ProblemSource source(data, options), wanted(clean, options);
  ASSERT_EQ(source.unreadable().size(), 1u);
  EXPECT_EQ(source.unreadable()[0].count(), 2u);
  EXPECT_THAT(source.unreadable()[0].Describe(),
              testing::AllOf(HasSubstr("2 of 11 rows of "), HasSubstr("train.jsonl:8: "),
                             HasSubstr("train.jsonl:5: the template says no")));
  EXPECT_TRUE(wanted.unreadable().empty());
  for (uint64_t i = 0; i < 30; ++i) {
    EXPECT_EQ(source.Train(i)->problem.prompt, wanted.Train(i)->problem.prompt);
  }
  data.set_max_unreadable_share(0.1);
  EXPECT_THROW(ProblemSource(data, options), Error);
  data.set_train(clean.train());
  data.set_max_unreadable_share(0);
  EXPECT_EQ(ProblemSource(data, options).train_size(), 9u);
}

TEST(ProblemSource, AFileWithoutAUsablePromptIsRefused) {
  TemporaryFolder folder;
  proto::Data data;
  data.set_train(folder.Write("train.jsonl", "{\"prompt\":\"x\",\"answer\":\"1\"}\n"));
  try {
    ProblemSource::Options options = Plain(1, 3);
    options.keep = [](const EncodedProblem&) { return false; };
    ProblemSource(data, options);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("all 1 prompts are empty or longer"));
  }
}

}  // namespace
}  // namespace cohort::rl
