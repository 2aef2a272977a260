// Groups of layers that see a window of tokens alone: what the scheduler keeps of them, and that no
// row sees anything but its own sequence's tokens, under random schedules.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include "base/error.h"
#include "rollout/decoder/decoder.h"
#include "rollout/decoder/scheduler.h"
#include "tests/fakes/fake_model_runner.h"
#include "tests/rollout/completions.h"

namespace cohort::rollout {
namespace {

constexpr int64_t kBlockTokens = 4;
constexpr int64_t kVocab = 20;

// What a runner says of its layers: the windows of their groups, and its rope's boundary.
struct Layers {
  std::vector<int64_t> windows;
  int64_t rope_boundary = 0;
};

void PrintTo(const Layers& layers, std::ostream* out) {
  for (const int64_t window : layers.windows) *out << window << ' ';
  *out << "boundary " << layers.rope_boundary;
}

// No windows; one, of a token, within a block, of several; beside full layers, as a half, a third
// and more of the groups; two different ones. Sequences have up to 70 tokens.
const std::vector<Layers> kLayers = {{{0}},     {{1}},        {{3}},     {{9}},
                                     {{0, 5}},  {{0, 0, 13}}, {{2, 11}}, {{0, 6, 6, 6}},
                                     {{0}, 25}, {{0}, 40},    {{9}, 25}, {{0, 5}, 33}};

class WindowedGroups : public testing::TestWithParam<Layers> {};
INSTANTIATE_TEST_SUITE_P(Windows, WindowedGroups, testing::ValuesIn(kLayers));

RunnerShape ShapeOf(const Layers& layers, int64_t num_blocks) {
  return {.vocab_size = kVocab,
          .max_positions = 100,
          .num_blocks = num_blocks,
          .block_tokens = kBlockTokens,
          .num_workers = 1,
          .windows = layers.windows,
          .rope_boundary = layers.rope_boundary};
}

int Draw(std::mt19937& generator, int from, int to) {
  return std::uniform_int_distribution<int>(from, to)(generator);
}

// A random load: groups of 1 to 4 samples, prompts of 1 to 40 tokens, up to 30 new ones.
std::vector<GroupRequest> RandomRequests(std::mt19937& generator) {
  std::vector<GroupRequest> requests;
  uint64_t sample = 0;
  for (uint64_t id = 0; id < 6; ++id) {
    std::vector<int32_t> prompt;
    for (int i = Draw(generator, 1, 40); i > 0; --i)
      prompt.push_back(Draw(generator, 0, kVocab - 1));
    GroupRequest request = Request(prompt, {}, Draw(generator, 1, 30));
    request.group_id = id;
    for (int i = Draw(generator, 1, 4); i > 0; --i) request.sample_ids.push_back(sample++);
    request.sampling.stop_ids = {7};
    requests.push_back(request);
  }
  return requests;
}

// The smallest pool that takes any of them, and up to `more` blocks.
int64_t SmallPool(const std::vector<GroupRequest>& requests, const std::vector<int64_t>& windows,
                  int64_t more) {
  const BlockPool counter(1, kBlockTokens, windows);
  int64_t blocks = 0;
  for (const GroupRequest& request : requests) {
    blocks = std::max(blocks, counter.LeastRoom(std::ssize(request.prompt_ids) +
                                                request.sampling.max_new_tokens));
  }
  return blocks + more;
}

// A row finds every token that it sees, and nobody else refers to the block that it writes.
void ExpectRowsAreServed(const BlockPool& pool, const std::vector<int64_t>& windows,
                         const PlannedTokens& item) {
  const BlockTables& tables =
      item.sample == nullptr ? item.group->prompt_blocks : item.sample->blocks;
  const int64_t start = (item.sample == nullptr ? 0 : item.group->prompt_length()) + item.start;
  ASSERT_EQ(tables.size(), windows.size());
  for (size_t group = 0; group < windows.size(); ++group) {
    const BlockTable& table = tables[group];
    const int64_t seen = windows[group] == 0 ? start + 1 : windows[group];
    const int64_t first = std::max<int64_t>(0, start + 1 - seen);
    for (int64_t position = first; position < start + item.count; ++position) {
      const int32_t block = table.at(static_cast<size_t>(position / kBlockTokens));
      ASSERT_NE(block, kNoBlock) << "position " << position << " of a row at " << start;
      EXPECT_GE(pool.references(block), 1);
      if (position >= start) {
        EXPECT_EQ(pool.references(block), 1) << "two sequences write it";
      }
    }
    // A prompt keeps what the first token of its partly filled block sees, and a fork has it too.
    for (int64_t entry = 0; entry < first / kBlockTokens - 1; ++entry) {
      EXPECT_EQ(table[static_cast<size_t>(entry)], kNoBlock) << "kept for nobody";
    }
  }
}

void AdvanceAll(const std::vector<PlannedTokens>& plan) {
  for (const PlannedTokens& item : plan) {
    if (item.sample != nullptr) {
      item.sample->computed += item.count;
      if (item.sample->remaining() == 0) item.sample->ids.push_back(0);
      continue;
    }
    item.group->prompt_computed += item.count;
    if (!item.group->prompt_ready() || item.group->first_tokens_drawn) continue;
    item.group->first_tokens_drawn = true;
    for (Sequence& sample : item.group->samples) sample.ids.push_back(0);
  }
}

TEST_P(WindowedGroups, EveryRowFindsWhatItSeesAndEveryBlockComesBack) {
  const std::vector<int64_t>& windows = GetParam().windows;
  uint64_t preemptions = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 generator(seed);
    const std::vector<GroupRequest> requests = RandomRequests(generator);
    BlockPool pool(SmallPool(requests, windows, Draw(generator, 0, 20)), kBlockTokens, windows);
    Scheduler scheduler({.max_running = Draw(generator, 1, 12),
                         .tokens_per_step = Draw(generator, 1, 30),
                         .rope_boundary = GetParam().rope_boundary},
                        pool);
    for (const GroupRequest& request : requests) {
      auto group = std::make_unique<SequenceGroup>();
      group->request = request;
      group->samples.resize(request.sample_ids.size());
      scheduler.Submit(std::move(group));
    }
    for (int step = 0; !scheduler.idle(); ++step) {
      ASSERT_LT(step, 20000);
      if (Draw(generator, 0, 40) == 0) {
        scheduler.Cancel(static_cast<uint64_t>(Draw(generator, 0, 5)));
        if (scheduler.idle()) break;
      }
      const std::vector<PlannedTokens> plan = scheduler.Plan();
      ASSERT_FALSE(plan.empty());
      for (const PlannedTokens& item : plan) ExpectRowsAreServed(pool, windows, item);
      if (HasFatalFailure()) return;
      pool.TakeCopies();
      AdvanceAll(plan);
      for (const PlannedTokens& item : plan) {
        for (Sequence& sample : item.group->samples) {
          const auto limit = static_cast<size_t>(item.group->request.sampling.max_new_tokens);
          if (sample.state != SequenceState::kFinished && sample.ids.size() >= limit)
            scheduler.Finish(sample);
        }
      }
      scheduler.DropFinishedGroups();
    }
    EXPECT_EQ(pool.free_blocks(), pool.num_blocks());
    preemptions += scheduler.preemptions();
  }
  EXPECT_GT(preemptions, 20u);  // the small pools did what they are there for
}

std::vector<SampledCompletion> Generate(const RunnerShape& shape, const DecoderOptions& options,
                                        const std::vector<GroupRequest>& requests,
                                        uint64_t* preemptions) {
  Decoder decoder(std::make_unique<FakeModelRunner>(shape, FakeModelRunner::Scattered(kVocab)),
                  options, 3);
  std::vector<SampledCompletion> completions = GenerateAll(decoder, requests);
  *preemptions += decoder.stats().preemptions;
  return completions;
}

// The fake ends the test at an entry that was not written for the row's own sequence.
TEST_P(WindowedGroups, ASampleIsTheSameInATinyCacheAndAlone) {
  uint64_t preemptions = 0, none = 0;
  for (unsigned seed = 0; seed < 25; ++seed) {
    std::mt19937 generator(seed);
    const std::vector<GroupRequest> requests = RandomRequests(generator);
    std::vector<SampledCompletion> alone;
    for (const GroupRequest& request : requests) {
      for (const uint64_t sample_id : request.sample_ids) {
        GroupRequest single = request;
        single.sample_ids = {sample_id};
        alone.push_back(Generate(ShapeOf(GetParam(), 1000), {}, {single}, &none).at(0));
      }
    }
    const int64_t blocks = SmallPool(requests, GetParam().windows, Draw(generator, 0, 20));
    const DecoderOptions options{.max_running = Draw(generator, 1, 12),
                                 .tokens_per_step = Draw(generator, 1, 30)};
    ExpectSame(Generate(ShapeOf(GetParam(), blocks), options, requests, &preemptions), alone,
               "seed " + std::to_string(seed));
  }
  EXPECT_EQ(none, 0u);
  EXPECT_GT(preemptions, 5u);
}

TEST_P(WindowedGroups, ScoresAreTheSameInTheSmallestCacheThatTakesTheText) {
  const RunnerShape shape = ShapeOf(GetParam(), 1000);
  RunnerShape small = shape;
  small.num_blocks = BlockPool(1, kBlockTokens, shape.windows).Missing({}, 90, 1);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 90; ++i) ids.push_back(i * 7 % kVocab);
  const auto script = FakeModelRunner::Scattered(kVocab);
  Decoder generous(std::make_unique<FakeModelRunner>(shape, script), {}, 0);
  const std::vector<float> expected = generous.Score(ids);
  Decoder tight(std::make_unique<FakeModelRunner>(small, script), {.tokens_per_step = 7}, 0);
  EXPECT_EQ(tight.Score(ids), expected);
  EXPECT_EQ(tight.Score(ids), expected) << "the first gave everything back";
  small.num_blocks -= 1;
  if (small.num_blocks == 0) return;
  Decoder too_small(std::make_unique<FakeModelRunner>(small, script), {}, 0);
  EXPECT_THROW(too_small.Score(ids), Error);
}

// Whether samples of 400 tokens decode beside each other to their ends, none of them preempted.
bool RunTogether(const std::vector<int64_t>& windows, int64_t blocks, uint64_t samples) {
  BlockPool pool(blocks, kBlockTokens, windows);
  Scheduler scheduler({.max_running = 1000, .tokens_per_step = 4096}, pool);
  for (uint64_t id = 0; id < samples; ++id) {
    auto group = std::make_unique<SequenceGroup>();
    group->request.group_id = id;
    group->request.prompt_ids.assign(8, 1);
    group->samples.resize(1);
    scheduler.Submit(std::move(group));
  }
  while (!scheduler.idle() && scheduler.preemptions() == 0) {
    const std::vector<PlannedTokens> plan = scheduler.Plan();
    AdvanceAll(plan);
    for (const PlannedTokens& item : plan) {
      Sequence& sample = item.group->samples[0];
      if (sample.ids.size() == 392) scheduler.Finish(sample);
    }
    scheduler.DropFinishedGroups();
  }
  return scheduler.preemptions() == 0;
}

// 400 tokens are 100 blocks for a group of layers; a window of 32 tokens is 9 at most.
TEST(WindowedCapacity, MoreLongSequencesRunTogetherByWhatTheirWindowsSave) {
  EXPECT_TRUE(RunTogether({0, 0}, 2000, 10));
  EXPECT_FALSE(RunTogether({0, 0}, 2000, 11));
  EXPECT_TRUE(RunTogether({0, 32}, 2000, 2000 / (100 + 9)));
  EXPECT_TRUE(RunTogether({32, 32}, 2000, 2000 / (9 + 9)));
}

}  // namespace
}  // namespace cohort::rollout
