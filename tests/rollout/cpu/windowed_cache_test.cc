// Layers that keep the last tokens of a sequence alone, beside a cache that keeps every token of
// every layer: the same bits. Windows within a block, over several, and over chains of 256 keys.

#include <gtest/gtest.h>

#include "base/error.h"
#include "rollout/cpu/attention_weights.h"
#include "rollout/cpu/cpu_decoder.h"
#include "rollout/cpu/forward.h"
#include "rollout/decoder/block_pool.h"
#include "rollout/decoder/sampler.h"
#include "tests/rollout/completions.h"
#include "tests/rollout/family_models.h"

namespace cohort::rollout {
namespace {

struct WindowCase {
  const char* name;
  int64_t window;
  std::vector<int64_t> full_layers;
};

void PrintTo(const WindowCase& window, std::ostream* out) { *out << window.name; }

class WindowedCache : public testing::TestWithParam<WindowCase> {
 protected:
  WindowedCache() : config_(DenseConfig("qwen2")) {
    config_.num_layers = 4;
    config_.max_positions = 900;
    config_.attention.qkv_bias = true;
    config_.attention.sliding_window = GetParam().window;
    config_.attention.full_layers = GetParam().full_layers;
    weights_ = RandomWeights(config_);
  }

  // Bytes of a cache of so many blocks.
  int64_t CacheOf(int64_t blocks) const {
    return blocks * KvLayoutOf(config_.attention).block_floats() *
           LayerGroups(config_).group_layers * 4;
  }
  Decoder Make(const DecoderOptions& options) const {
    return MakeCpuDecoder(config_, weights_, options, 0);
  }

  // Of every token after the first, computed at once, over a cache that keeps all.
  std::vector<float> KeptLogprobs(const std::vector<int32_t>& ids) const {
    kernels::ThreadPool pool(2);
    DecoderWeights weights(config_, kernels::Storage::kFloat32);
    policy::WeightMap copy = weights_;
    policy::WeightsInMemory source(std::move(copy));
    weights.Load(source, pool);
    ModelRopes ropes(config_);
    const int64_t length = std::ssize(ids), blocks = KvBlocksFor(length);
    ropes.Reserve(length);
    KvCache cache(KvLayoutOf(config_.attention), LayersAlike(config_.num_layers), int64_t{1} << 30,
                  blocks);
    std::vector<BlockTable> tables(1);
    std::vector<int64_t> rows;
    for (int32_t block = 0; block < blocks; ++block) tables[0].push_back(block);
    for (int64_t row = 0; row + 1 < length; ++row) rows.push_back(row);
    RecurrentStates states(config_, 0);
    Forward forward({config_, weights, ropes, cache, states, kernels::BestOps()}, pool);
    forward.Run(std::vector<SequenceRows>{{ids, 0, tables, 0}});
    const float* logits = forward.Logits(rows);
    Sampler sampler(kernels::BestOps(), config_.vocab_size);
    std::vector<float> logprobs;
    for (const int64_t row : rows) {
      sampler.Prepare(logits + row * forward.ld_logits(), Sampling{});
      logprobs.push_back(sampler.Logprob(ids[static_cast<size_t>(row) + 1]));
    }
    return logprobs;
  }

  policy::ModelConfig config_;
  policy::WeightMap weights_;
};
INSTANTIATE_TEST_SUITE_P(Windows, WindowedCache,
                         testing::Values(WindowCase{"a_token", 1, {0}},
                                         WindowCase{"within_a_block", 20, {}},
                                         WindowCase{"half_of_the_layers", 33, {1, 3}},
                                         WindowCase{"one_full_layer", 100, {2}},
                                         WindowCase{"over_chains", 300, {}},
                                         WindowCase{"over_chains_in_half", 290, {0, 2}}),
                         [](const auto& info) { return info.param.name; });

TEST_P(WindowedCache, ScoresAreTheBitsOfACacheThatKeepsAllHoweverTheTextIsCut) {
  const std::vector<int32_t> ids = RandomIds(config_, 700, 3);
  const std::vector<float> expected = KeptLogprobs(ids);
  const BlockPool counter(1, kernels::kBlockTokens, LayerGroups(config_).windows);
  for (const int32_t tokens_per_step : {7, 64, 512}) {
    for (const int64_t blocks : {counter.Missing({}, 700, 1), int64_t{1000}}) {
      Decoder decoder = Make({.num_threads = 2,
                              .kv_cache_bytes = CacheOf(blocks),
                              .tokens_per_step = tokens_per_step});
      EXPECT_EQ(decoder.Score(ids), expected) << tokens_per_step << " " << blocks;
    }
  }
}

TEST_P(WindowedCache, SamplesAreTheBitsOfACacheThatKeepsAllWhateverRunsBesideThem) {
  std::vector<GroupRequest> requests;
  uint64_t id = 0;
  for (const size_t length : {3, 95, 290, 320}) {
    GroupRequest request = Request(RandomIds(config_, length, length), {}, 45);
    request.group_id = length;
    for (int i = 0; i < 3; ++i) request.sample_ids.push_back(id++);
    requests.push_back(request);
  }
  const BlockPool counter(1, kernels::kBlockTokens, LayerGroups(config_).windows);
  Decoder generous = Make({.num_threads = 2});
  const std::vector<SampledCompletion> expected = GenerateAll(generous, requests);
  for (size_t i = 0; i < expected.size(); ++i) {
    std::vector<int32_t> text = requests[i / 3].prompt_ids;
    text.insert(text.end(), expected[i].ids.begin(), expected[i].ids.end());
    const std::vector<float> all = KeptLogprobs(text);
    const std::vector<float> tail(all.end() - std::ssize(expected[i].ids), all.end());
    EXPECT_EQ(expected[i].rollout_logprobs, tail) << "sample " << i;
  }
  uint64_t preemptions = 0;
  for (const int threads : {1, 2}) {
    for (const int32_t tokens_per_step : {9, 512}) {
      for (const int64_t more : {0, 5}) {
        Decoder tiny = Make({.num_threads = threads,
                             .kv_cache_bytes = CacheOf(counter.LeastRoom(365) + more),
                             .tokens_per_step = tokens_per_step});
        ExpectSame(GenerateAll(tiny, requests), expected, std::to_string(tokens_per_step));
        preemptions += tiny.stats().preemptions;
      }
    }
  }
  EXPECT_GT(preemptions, 0u);
}

// A text of 20 windows in a cache of three.
TEST(WindowedCacheBound, ALongTextNeedsNoMoreThanItsWindowWhereEveryLayerHasOne) {
  policy::ModelConfig config = DenseConfig("mistral");
  config.max_positions = 900;
  config.attention.sliding_window = 40;
  const policy::WeightMap weights = RandomWeights(config);
  const int64_t block = KvLayoutOf(config.attention).block_floats() * config.num_layers * 4;
  Decoder decoder = MakeCpuDecoder(config, weights, {.kv_cache_bytes = 3 * block}, 0);
  EXPECT_EQ(decoder.Score(RandomIds(config, 800, 1)).size(), 799u);
  config.attention.full_layers = {0};
  Decoder half = MakeCpuDecoder(config, weights, {.kv_cache_bytes = 3 * block}, 0);
  EXPECT_THROW(half.Score(RandomIds(config, 800, 1)), Error) << "the full layer needs 25 blocks";
}

}  // namespace
}  // namespace cohort::rollout
