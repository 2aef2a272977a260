#include "rollout/decoder/state_pool.h"

#include <gtest/gtest.h>

namespace cohort::rollout {
namespace {

TEST(StatePool, GivesNothingWhereTheModelHasNoStates) {
  StatePool pool(0);
  int32_t prompt = pool.TakeForPrompt();
  EXPECT_TRUE(pool.has_room_for_prompt());
  EXPECT_EQ(prompt, kNoState);
  EXPECT_EQ(pool.Copy(prompt), kNoState);
  EXPECT_EQ(pool.Move(&prompt), kNoState);
  pool.ReleasePrompt(&prompt);
  EXPECT_TRUE(pool.TakeCopies().empty());
}

TEST(StatePool, SamplesGetCopiesAndTheLastOneThePromptsOwn) {
  StatePool pool(8);
  EXPECT_EQ(pool.prompts(), 2);
  EXPECT_EQ(pool.samples(), 6);
  int32_t prompt = pool.TakeForPrompt();
  const int32_t own = prompt;
  const int32_t first = pool.Copy(prompt), second = pool.Copy(prompt);
  EXPECT_EQ(pool.TakeCopies(), (std::vector<BlockCopy>{{own, first}, {own, second}}));
  EXPECT_EQ(pool.Move(&prompt), own);
  EXPECT_EQ(prompt, kNoState);
  EXPECT_TRUE(pool.TakeCopies().empty());
}

TEST(StatePool, KeepsTheSharesOfPromptsAndSamplesApart) {
  StatePool pool(8);
  std::vector<int32_t> prompts = {pool.TakeForPrompt(), pool.TakeForPrompt()};
  EXPECT_FALSE(pool.has_room_for_prompt());
  std::vector<int32_t> samples;
  while (static_cast<int64_t>(samples.size()) < pool.samples()) {
    samples.push_back(pool.Copy(prompts[0]));
  }
  pool.ReleaseSample(&samples[0]);
  EXPECT_FALSE(pool.has_room_for_prompt());
  samples[0] = pool.Move(&prompts[1]);
  EXPECT_TRUE(pool.has_room_for_prompt());
  pool.ReleasePrompt(&prompts[0]);
  prompts = {pool.TakeForPrompt(), pool.TakeForPrompt()};
  EXPECT_FALSE(pool.has_room_for_prompt());
}

TEST(StatePool, TwoSlotsSufficeForAPromptAndASample) {
  StatePool pool(2);
  EXPECT_EQ(pool.prompts(), 1);
  EXPECT_EQ(pool.samples(), 1);
}

}  // namespace
}  // namespace cohort::rollout
