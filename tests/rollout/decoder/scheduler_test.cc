#include "rollout/decoder/scheduler.h"

#include <gtest/gtest.h>

namespace cohort::rollout {
namespace {

constexpr int64_t kBlockTokens = 32;

std::unique_ptr<SequenceGroup> MakeGroup(uint64_t id, size_t prompt_length, size_t num_samples) {
  auto group = std::make_unique<SequenceGroup>();
  group->request.group_id = id;
  group->request.prompt_ids.assign(prompt_length, 1);
  group->samples.resize(num_samples);
  return group;
}

// Advances as the decoder does after a step, without a model: every draw is token 0.
void Advance(const std::vector<PlannedTokens>& plan) {
  const auto draw = [](Sequence& sample) {
    sample.ids.push_back(0);
    sample.logprobs.push_back(0);
  };
  for (const PlannedTokens& item : plan) {
    if (item.sample != nullptr) {
      item.sample->computed += item.count;
      if (item.sample->remaining() == 0) draw(*item.sample);
      continue;
    }
    item.group->prompt_computed += item.count;
    if (!item.group->prompt_ready() || item.group->first_tokens_drawn) continue;
    item.group->first_tokens_drawn = true;
    for (Sequence& sample : item.group->samples) draw(sample);
  }
}

int64_t Rows(const std::vector<PlannedTokens>& plan) {
  int64_t rows = 0;
  for (const PlannedTokens& item : plan) rows += item.count;
  return rows;
}

TEST(Scheduler, FillsTheBudgetWithDecodeRowsFirstThenPromptChunks) {
  BlockPool pool(1000, kBlockTokens);
  Scheduler scheduler({.max_running = 8, .tokens_per_step = 10}, pool);
  scheduler.Submit(MakeGroup(0, 4, 3));
  scheduler.Submit(MakeGroup(1, 25, 2));
  std::vector<PlannedTokens> plan = scheduler.Plan();
  ASSERT_EQ(plan.size(), 2u);  // the first prompt, and the head of the second
  EXPECT_EQ(plan[0].count, 4);
  EXPECT_EQ(plan[1].count, 6);
  Advance(plan);
  plan = scheduler.Plan();
  ASSERT_EQ(plan.size(), 4u);  // three samples decode, seven tokens of the second prompt
  for (int i = 0; i < 3; ++i) EXPECT_EQ(plan[static_cast<size_t>(i)].count, 1);
  EXPECT_EQ(plan[3].sample, nullptr);
  EXPECT_EQ(plan[3].start, 6);
  EXPECT_EQ(plan[3].count, 7);
}

TEST(Scheduler, SharesThePromptsWholeBlocksAndCopiesThePartlyFilledOne) {
  BlockPool pool(1000, kBlockTokens);
  Scheduler scheduler({}, pool);
  scheduler.Submit(MakeGroup(0, 70, 4));  // two whole blocks and six tokens
  Advance(scheduler.Plan());
  EXPECT_EQ(pool.num_blocks() - pool.free_blocks(), 3);
  const std::vector<PlannedTokens> plan = scheduler.Plan();
  ASSERT_EQ(plan.size(), 4u);
  for (const PlannedTokens& item : plan) {
    EXPECT_EQ(item.sample->blocks[0][0], plan[0].sample->blocks[0][0]);
    EXPECT_EQ(item.sample->blocks[0][1], plan[0].sample->blocks[0][1]);
    EXPECT_EQ(pool.references(item.sample->blocks[0][2]), 1);
  }
  EXPECT_EQ(pool.references(plan[0].sample->blocks[0][0]), 5);  // four samples and the group
  EXPECT_EQ(pool.num_blocks() - pool.free_blocks(), 2 + 4);     // the last sample took the original
}

TEST(Scheduler, AdmitsGroupsInOrderUpToMaxRunning) {
  BlockPool pool(1000, kBlockTokens);
  Scheduler scheduler({.max_running = 4, .tokens_per_step = 100}, pool);
  for (uint64_t id = 0; id < 4; ++id) scheduler.Submit(MakeGroup(id, 5, 2));
  const std::vector<PlannedTokens> plan = scheduler.Plan();
  ASSERT_EQ(plan.size(), 2u);
  EXPECT_EQ(plan[0].group->request.group_id, 0u);
  EXPECT_EQ(plan[1].group->request.group_id, 1u);
  Advance(plan);
  EXPECT_EQ(Rows(scheduler.Plan()), 4);
  EXPECT_EQ(scheduler.num_running(), 4);
  EXPECT_EQ(scheduler.num_waiting(), 4);
}

TEST(Scheduler, RunsAGroupLargerThanMaxRunningInParts) {
  BlockPool pool(1000, kBlockTokens);
  Scheduler scheduler({.max_running = 3, .tokens_per_step = 100}, pool);
  scheduler.Submit(MakeGroup(0, 5, 7));
  Advance(scheduler.Plan());
  const std::vector<PlannedTokens> plan = scheduler.Plan();
  EXPECT_EQ(plan.size(), 3u);
  scheduler.Finish(*plan[0].sample);
  Advance({plan.begin() + 1, plan.end()});
  EXPECT_EQ(scheduler.Plan().size(), 3u);
  EXPECT_EQ(scheduler.num_waiting(), 3);
}

TEST(Scheduler, PreemptsTheYoungestWhenBlocksRunOutAndNeverTheOldest) {
  BlockPool pool(5, kBlockTokens);
  Scheduler scheduler({.max_running = 8, .tokens_per_step = 100}, pool);
  scheduler.Submit(MakeGroup(0, 30, 2));
  scheduler.Submit(MakeGroup(1, 30, 2));
  int64_t oldest = 0;
  for (int step = 0; step < 60; ++step) {
    const std::vector<PlannedTokens> plan = scheduler.Plan();
    ASSERT_FALSE(plan.empty());
    Advance(plan);
    for (const PlannedTokens& item : plan) {
      if (item.group->request.group_id != 0) continue;
      const auto length = static_cast<int64_t>(item.group->samples[0].ids.size());
      EXPECT_GE(length, oldest);
      oldest = length;
    }
  }
  EXPECT_EQ(oldest, 60);  // a token in every step
  EXPECT_GT(scheduler.preemptions(), 0u);
}

// The first sample goes on from a prompt that was dropped; the second waits for it to be computed
// again. Both prompts and the first sample do not fit beside each other to its end.
TEST(Scheduler, APromptThatTheOldestDoesNotShareGivesWayToIt) {
  BlockPool pool(11, 4);
  Scheduler scheduler({.max_running = 8, .tokens_per_step = 30}, pool);
  scheduler.Submit(MakeGroup(0, 16, 2));
  std::vector<PlannedTokens> plan = scheduler.Plan();
  Advance(plan);
  SequenceGroup& group = *plan.at(0).group;
  plan = scheduler.Plan();
  ASSERT_EQ(plan.size(), 2u);
  pool.Release(&group.prompt_blocks);
  group.prompt_computed = 0;
  pool.Release(&group.samples[1].blocks);
  group.samples[1].state = SequenceState::kWaiting;
  Advance({plan[0]});
  for (size_t before = group.samples[0].ids.size(); before < 14; ++before) {
    plan = scheduler.Plan();
    ASSERT_EQ(plan.at(0).sample, &group.samples[0]);
    EXPECT_EQ(plan.at(0).count, 1) << "it was preempted, and its tokens are computed again";
    Advance(plan);
    ASSERT_EQ(group.samples[0].ids.size(), before + 1) << "it draws in every step";
  }
}

TEST(Scheduler, EverySequenceFinishesAndEveryBlockComesBack) {
  for (const int64_t blocks : {4, 5, 6, 9, 40}) {
    for (const int32_t tokens_per_step : {1, 5, 64}) {
      BlockPool pool(blocks, kBlockTokens);
      Scheduler scheduler({.max_running = 5, .tokens_per_step = tokens_per_step}, pool);
      std::vector<size_t> lengths = {1, 31, 32, 33, 40, 63};
      for (size_t i = 0; i < lengths.size(); ++i) {
        ASSERT_TRUE(scheduler.FitsAlone(static_cast<int64_t>(lengths[i]) + 30));
        scheduler.Submit(MakeGroup(i, lengths[i], 1 + i % 3));
      }
      int steps = 0;
      while (!scheduler.idle()) {
        ASSERT_LT(++steps, 20000) << blocks << " blocks, " << tokens_per_step << " tokens a step";
        const std::vector<PlannedTokens> plan = scheduler.Plan();
        ASSERT_FALSE(plan.empty());
        Advance(plan);
        for (const PlannedTokens& item : plan) {
          for (Sequence& sample : item.group->samples) {
            if (sample.state != SequenceState::kFinished && sample.ids.size() >= 30)
              scheduler.Finish(sample);
          }
        }
        scheduler.DropFinishedGroups();
      }
      EXPECT_EQ(pool.free_blocks(), pool.num_blocks()) << blocks << " blocks";
    }
  }
}

TEST(Scheduler, CancelGivesBackBlocksInEveryState) {
  BlockPool pool(12, kBlockTokens);
  Scheduler scheduler({.max_running = 2, .tokens_per_step = 40}, pool);
  for (uint64_t id = 0; id < 3; ++id) scheduler.Submit(MakeGroup(id, 50, 2));
  for (int step = 0; step < 4; ++step) Advance(scheduler.Plan());
  for (uint64_t id = 0; id < 3; ++id) scheduler.Cancel(id);
  EXPECT_TRUE(scheduler.idle());
  EXPECT_EQ(scheduler.num_running(), 0);
  EXPECT_EQ(pool.free_blocks(), pool.num_blocks());
}

}  // namespace
}  // namespace cohort::rollout
