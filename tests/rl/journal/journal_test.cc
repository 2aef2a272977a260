#include "rl/journal/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <random>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "rl/journal/entry_reader.h"
#include "rl/objectives/objective.h"
#include "rl/recipe/recipe.h"
#include "tests/fakes/fake_rollouts.h"

namespace cohort::rl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

proto::Recipe RecipeWith(proto::Output::Journal mode, int mib = 1024) {
  proto::Recipe recipe;
  recipe.mutable_output()->set_journal(mode);
  recipe.mutable_output()->set_journal_mib(mib);
  return WithDefaults(recipe);
}

// An entry of one group of two samples.
JournalEntry EntryOf(int64_t step, std::vector<float> logprobs = {-0.5F, -1.25F}) {
  JournalEntry entry;
  entry.step = step;
  entry.round = 1;
  entry.step_in_round = 7;
  entry.objective = FromPreset(proto::Objective::PRESET_VERL);
  EncodedProblem problem;
  problem.problem.question = "1+1=\n\"\xFF\"";
  problem.problem.answer = "2";
  problem.prompt_ids = {49, 43, 49};
  entry.groups.push_back(
      NewEpisodeGroup(std::make_shared<const EncodedProblem>(problem), 11, 40, 2));
  entry.advantages = {{0.1, std::nullopt}};
  Episode& episode = entry.groups[0].episodes[0];
  episode.completion_ids.assign(logprobs.size(), 50);
  episode.rollout_logprobs = std::move(logprobs);
  episode.completion = "2";
  episode.policy_version = 9;
  episode.finish_reason = rollout::FinishReason::kLength;
  episode.verdict = Graded(1.0 / 3);
  entry.groups[0].episodes[1].verdict = FailedVerdict(reward::STATUS_TIMEOUT, "10 s");
  JournalUpdate& update = entry.updates.emplace_back();
  update.learning_rate = 1e-6;
  update.report.loss = -0.1 - 0.2;
  update.report.grad_norm = 1e-300;
  return entry;
}

class JournalTest : public testing::Test {
 protected:
  std::vector<std::string> Files() {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& file : std::filesystem::directory_iterator(JournalFolder(run_), none)) {
      const std::string name = file.path().filename().string();
      if (!name.starts_with("recipe-")) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  JournalEntry Read(int64_t step) { return ReadEntry(JournalFile(run_, step)); }
  std::string Text(int64_t step) {
    std::string text;
    ForEachCompressedLine(JournalFile(run_, step),
                          [&](std::string_view line, int) { text += std::string(line) + "\n"; });
    return text;
  }

  const base::TemporaryFolder folder_;
  const std::filesystem::path run_ = folder_.path();
};

TEST_F(JournalTest, AStepComesBackAsItWasWritten) {
  const JournalEntry written = EntryOf(12);
  const proto::Recipe recipe = RecipeWith(proto::Output::JOURNAL_ALL);
  Journal journal(run_, recipe, nullptr);
  journal.Append(written);
  journal.Sync();
  const JournalEntry read = Read(12);
  EXPECT_EQ(read.step, 12);
  EXPECT_EQ(read.round, 1);
  EXPECT_EQ(read.step_in_round, 7);
  EXPECT_EQ(read.objective.SerializeAsString(), written.objective.SerializeAsString());
  EXPECT_EQ(read.platform.processor, ThisProcessor());
  proto::Recipe expected = recipe;
  expected.clear_output();
  EXPECT_EQ(ReadJournalRecipe(run_, read.recipe).SerializeAsString(), expected.SerializeAsString());
  ASSERT_THAT(read.groups, SizeIs(1));
  const EpisodeGroup& group = read.groups[0];
  EXPECT_EQ(group.group_id, 11u);
  EXPECT_EQ(group.problem->problem.answer, "2");
  EXPECT_EQ(group.problem->prompt_ids, written.groups[0].problem->prompt_ids);
  const Episode& first = group.episodes.at(0);
  EXPECT_EQ(first.sample_id, 40u);
  EXPECT_EQ(first.policy_version, 9);
  EXPECT_TRUE(first.truncated());
  EXPECT_EQ(first.completion, "2");
  EXPECT_EQ(first.completion_ids, written.groups[0].episodes[0].completion_ids);
  EXPECT_EQ(first.reward(), 1.0 / 3);
  EXPECT_EQ(ComponentScore(first.verdict.components(0)), 1.0 / 3);
  EXPECT_FALSE(group.episodes.at(1).reward().has_value());
  EXPECT_EQ(DescribeVerdict(group.episodes.at(1).verdict), "TIMEOUT: 10 s");
  EXPECT_EQ(read.advantages, written.advantages);
  EXPECT_EQ(read.updates.at(0).learning_rate, 1e-6);
  EXPECT_EQ(read.updates.at(0).report.loss, -0.1 - 0.2);
  EXPECT_EQ(read.updates.at(0).report.grad_norm, 1e-300);
  EXPECT_THAT(Text(12), HasSubstr("\"trained\":true"));
  EXPECT_THAT(Text(12), HasSubstr("\"trained\":false"));
}

TEST_F(JournalTest, RoutingComesBackByteForByteAndIsAbsentWhereThereIsNone) {
  Journal journal(run_, RecipeWith(proto::Output::JOURNAL_ALL), nullptr);
  JournalEntry entry = EntryOf(1);
  entry.groups[0].prompt_routing =
      std::make_shared<const std::string>(std::string("\0\xFF\x7F", 3));
  entry.groups[0].episodes[0].routing = std::string("\1\0", 2);
  entry.updates[0].report.replayed_tokens = 12;
  entry.updates[0].report.rerouted_tokens = 5;
  journal.Append(entry);
  journal.Append(EntryOf(2));
  journal.Sync();
  const JournalEntry read = Read(1);
  ASSERT_NE(read.groups[0].prompt_routing, nullptr);
  EXPECT_EQ(*read.groups[0].prompt_routing, *entry.groups[0].prompt_routing);
  EXPECT_EQ(read.groups[0].episodes[0].routing, entry.groups[0].episodes[0].routing);
  EXPECT_EQ(read.groups[0].episodes[1].routing, "");
  EXPECT_EQ(read.updates[0].report.replayed_tokens, 12);
  EXPECT_EQ(read.updates[0].report.rerouted_tokens, 5);
  EXPECT_EQ(Read(2).groups[0].prompt_routing, nullptr);
  EXPECT_THAT(Text(2), Not(HasSubstr("routing")));
}

TEST_F(JournalTest, EveryFloatComesBackInItsOwnBits) {
  std::vector<float> floats = {
      0.0F, -0.0F, 1.0F, 1e-45F, 3.4028235e38F, 16777216.0F,
      // Its shortest decimal, read as a double, rounds to its neighbour.
      std::bit_cast<float>(0x15ae43fdU), -std::bit_cast<float>(0x15ae43fdU),
      std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  std::mt19937 random(1);
  while (floats.size() < 100'000) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isfinite(value)) floats.push_back(value);
  }
  Journal journal(run_, RecipeWith(proto::Output::JOURNAL_ALL), nullptr);
  journal.Append(EntryOf(1, floats));
  JournalEntry not_a_number = EntryOf(2, {std::numeric_limits<float>::quiet_NaN()});
  not_a_number.updates[0].report.loss = std::numeric_limits<double>::quiet_NaN();
  journal.Append(not_a_number);
  journal.Sync();
  const std::vector<float> read = Read(1).groups[0].episodes[0].rollout_logprobs;
  ASSERT_EQ(read.size(), floats.size());
  for (size_t i = 0; i < floats.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(read[i]), std::bit_cast<uint32_t>(floats[i])) << floats[i];
  }
  EXPECT_TRUE(std::isnan(Read(2).groups[0].episodes[0].rollout_logprobs[0]));
  EXPECT_TRUE(std::isnan(Read(2).updates[0].report.loss));
  EXPECT_THAT(Text(1), HasSubstr("\"inf\",\"-inf\""));
}

TEST_F(JournalTest, ARecipeIsOneFileHoweverOftenARunGoesOn) {
  proto::Recipe recipe = RecipeWith(proto::Output::JOURNAL_ALL);
  reward::RewardTerm& term = *recipe.add_rewards();
  for (const char* key : {"a", "b", "c", "d", "e", "f"}) (*term.mutable_options())[key] = "1";
  for (int i = 0; i < 20; ++i) {
    proto::Recipe again;
    again.ParseFromString(recipe.SerializeAsString());
    again.mutable_output()->set_keep(2 + i);  // changes no step
    const Journal journal(run_, again, nullptr);
  }
  const std::filesystem::directory_iterator files(JournalFolder(run_));
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(JournalTest, DemonstrationsComeBackWithTheirMasks) {
  JournalEntry entry;
  entry.step = 3;
  entry.demonstrations.resize(2);
  for (TrainingSequence& sequence : entry.demonstrations) {
    sequence.ids = {1, 2, 3, 4};
    sequence.prompt_length = 2;
  }
  entry.demonstrations[1].loss_mask = {0, 1};
  Journal journal(run_, RecipeWith(proto::Output::JOURNAL_ALL), nullptr);
  journal.Append(entry);
  journal.Sync();
  const std::vector<TrainingSequence> read = Read(3).demonstrations;
  ASSERT_THAT(read, SizeIs(2));
  EXPECT_EQ(read[0].ids, entry.demonstrations[0].ids);
  EXPECT_EQ(read[0].prompt_length, 2);
  EXPECT_THAT(read[0].loss_mask, IsEmpty());
  EXPECT_EQ(read[1].loss_mask, entry.demonstrations[1].loss_mask);
  EXPECT_TRUE(read[1].prompt_counted) << "as the round had marked it";
}

TEST_F(JournalTest, GroupsLeavesIdsAndLogprobsOut) {
  Journal journal(run_, RecipeWith(proto::Output::JOURNAL_GROUPS), nullptr);
  journal.Append(EntryOf(1));
  journal.Sync();
  EXPECT_THAT(Text(1), Not(HasSubstr("ids")));
  EXPECT_THAT(Text(1), Not(HasSubstr("rollout_logprobs")));
  EXPECT_THAT(Text(1), HasSubstr("\"reward\":0.3333333333333333"));
  EXPECT_EQ(Read(1).mode, proto::Output::JOURNAL_GROUPS);
}

TEST_F(JournalTest, OffWritesNothing) {
  Journal journal(run_, RecipeWith(proto::Output::JOURNAL_OFF), nullptr);
  journal.Append(EntryOf(1));
  journal.Sync();
  EXPECT_FALSE(std::filesystem::exists(JournalFolder(run_)));
}

TEST_F(JournalTest, AnswersToHeldOutProblemsSayWhetherTheyAreRight) {
  Journal journal(run_, RecipeWith(proto::Output::JOURNAL_ALL), nullptr);
  JournalEvaluation evaluation{5, "start", "fake", 0.5, EntryOf(5).groups};
  evaluation.groups[0].episodes[0].verdict = Graded(1);
  journal.Append(evaluation);
  journal.Sync();
  std::string text;
  ForEachCompressedLine(JournalFolder(run_) / "eval-00000005.jsonl.zst",
                        [&](std::string_view line, int) { text += line; });
  EXPECT_THAT(text, HasSubstr("\"eval_after\":\"start\""));
  EXPECT_THAT(text, HasSubstr("\"correct\":true"));
  EXPECT_THAT(text, Not(HasSubstr("\"correct\":false"))) << "a failed grader is no wrong answer";
}

TEST_F(JournalTest, AboveTheCapTheOldestStepsGoAndAreCounted) {
  std::mt19937 random(1);
  std::vector<float> noise(60'000);  // about 300 KiB compressed
  Journal journal(run_, RecipeWith(proto::Output::JOURNAL_ALL, 1), nullptr);
  for (int64_t step = 1; step <= 6; ++step) {
    for (float& value : noise) value = -std::ldexp(static_cast<float>(random()), -32);
    journal.Append(EntryOf(step, noise));
  }
  const int64_t dropped = journal.dropped_steps();
  EXPECT_GT(dropped, 0);
  EXPECT_THAT(Files(), SizeIs(6 - dropped));
  EXPECT_EQ(Files().back(), "step-00000006.jsonl.zst");
  uint64_t bytes = 0;
  for (const std::string& name : Files()) {
    bytes += std::filesystem::file_size(JournalFolder(run_) / name);
  }
  EXPECT_LE(bytes, uint64_t{1} << 20);
  EXPECT_EQ(journal.Sync().at("dropped_steps"), dropped);
}

TEST_F(JournalTest, AnEntryAboveTheCapStaysUntilTheNext) {
  std::mt19937 random(1);
  std::vector<float> noise(300'000);
  for (float& value : noise) value = -std::ldexp(static_cast<float>(random()), -32);
  Journal journal(run_, RecipeWith(proto::Output::JOURNAL_ALL, 1), nullptr);
  journal.Append(EntryOf(1, noise));
  journal.Sync();
  EXPECT_THAT(Files(), ElementsAre("step-00000001.jsonl.zst"));
  journal.Append(EntryOf(2));
  journal.Sync();
  EXPECT_THAT(Files(), ElementsAre("step-00000002.jsonl.zst"));
}

TEST_F(JournalTest, AResumedRunHasTheEntriesOfItsCheckpointAndWritesTheOthersAnew) {
  const proto::Recipe recipe = RecipeWith(proto::Output::JOURNAL_ALL);
  nlohmann::json ledger;
  {
    Journal journal(run_, recipe, nullptr);
    journal.Append(EntryOf(1));
    journal.Append(EntryOf(2));
    ledger = journal.Sync();
    journal.Append(EntryOf(3));
    journal.Append(EntryOf(4));
  }
  std::ofstream(JournalFolder(run_) / "step-00000005.jsonl.zst.tmp") << "cut";
  {
    Journal journal(run_, recipe, ledger);
    EXPECT_THAT(Files(), ElementsAre("step-00000001.jsonl.zst", "step-00000002.jsonl.zst"));
    journal.Append(EntryOf(3));
    EXPECT_THAT(journal.Sync().at("files"), SizeIs(3));
  }
  Journal fresh(run_, recipe, nullptr);
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(JournalTest, AnEntryThatNoRunWritesIsRefusedWithItsLine) {
  const auto refused = [&](const std::vector<std::string>& lines) {
    CompressedFile file(JournalFile(run_, 1));
    for (const std::string& line : lines) file.Write(line + "\n");
    file.Commit();
    try {
      Read(1);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  {
    Journal journal(run_, RecipeWith(proto::Output::JOURNAL_ALL), nullptr);
    journal.Append(EntryOf(1));
  }
  const std::string text = Text(1);
  const std::string head = text.substr(0, text.find('\n'));
  EXPECT_THAT(refused({"[1]"}), HasSubstr("zst:1: this is no JSON object"));
  EXPECT_THAT(refused({"{}"}), HasSubstr("zst:1: this is no journal"));
  EXPECT_THAT(refused({head}), HasSubstr("does not hold the groups"));
  EXPECT_THAT(refused({head, "{\"samples\": 3}"}), HasSubstr("zst:2: "));
}

TEST_F(JournalTest, AJournalThatCannotBeWrittenSaysSoAtTheNextStep) {
  Journal journal(run_, RecipeWith(proto::Output::JOURNAL_ALL), nullptr);
  std::filesystem::remove_all(JournalFolder(run_));
  journal.Append(EntryOf(1));
  try {
    journal.Append(EntryOf(2));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_THAT(error.what(), HasSubstr("step-00000001.jsonl.zst"));
  }
  EXPECT_THROW(journal.Sync(), Error) << "no checkpoint counts as done what is not written";
  std::filesystem::create_directories(JournalFolder(run_));
  EXPECT_THAT(journal.Sync().at("files"), SizeIs(1));
  EXPECT_EQ(Read(1).step, 1);
}

}  // namespace
}  // namespace cohort::rl
