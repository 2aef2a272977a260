#include <gtest/gtest.h>

#include "rollout/cpu/attention_weights.h"
#include "rollout/cpu/cpu_decoder.h"
#include "rollout/cpu/recurrent_states.h"
#include "tests/rollout/completions.h"
#include "tests/rollout/family_models.h"

namespace cohort::rollout {
namespace {

class Invariance : public testing::TestWithParam<FamilyModel> {
 protected:
  policy::ModelConfig config_ = GetParam().config;
  policy::WeightMap weights_ = RandomWeights(config_);

  Decoder Make(const DecoderOptions& options) const {
    return MakeCpuDecoder(config_, weights_, options, 3);
  }

  void ExpectTheSameSamplesHoweverTheyAreComputed(bool deterministic) const;
};
INSTANTIATE_TEST_SUITE_P(Models, Invariance, testing::ValuesIn(FamilyModels()),
                         [](const auto& info) { return info.param.name; });

// Requests that mix prompt lengths around the block size, shared prompts, and all ways of sampling.
std::vector<GroupRequest> MixedRequests(const policy::ModelConfig& config) {
  std::vector<GroupRequest> requests;
  uint64_t id = 0;
  for (const size_t length : {1, 5, 31, 32, 33, 64, 70}) {
    GroupRequest request = Request(RandomIds(config, length, 2), {}, 40);
    request.group_id = 100 + requests.size();
    for (size_t i = 0; i < 1 + requests.size() % 4; ++i) request.sample_ids.push_back(id++);
    request.sampling.stop_ids = {7};
    if (requests.size() == 2) request.sampling.top_k = 8;
    if (requests.size() == 3) request.sampling.top_p = 0.8;
    if (requests.size() == 4) request.sampling.temperature = 0.7;
    if (requests.size() == 5) request.sampling.temperature = 0;
    requests.push_back(request);
  }
  return requests;
}

void Invariance::ExpectTheSameSamplesHoweverTheyAreComputed(bool deterministic) const {
  const std::vector<GroupRequest> requests = MixedRequests(config_);
  std::vector<SampledCompletion> alone;  // each sample in a group and a decoder of its own
  for (const GroupRequest& request : requests) {
    for (const uint64_t sample_id : request.sample_ids) {
      GroupRequest single = request;
      single.sample_ids = {sample_id};
      Decoder decoder = Make({.num_threads = 1, .deterministic = deterministic});
      alone.push_back(GenerateAll(decoder, {single}).at(0));
    }
  }
  const LatentForm form = deterministic ? LatentForm::kExpanded : LatentForm::kAbsorbed;
  const int64_t block_bytes = KvLayoutOf(config_.attention, form).block_floats() *
                              (config_.num_layers - std::ssize(config_.linear.layers)) * 4;
  // Half of the bound is for recurrent states, where there are any.
  const int64_t with_states = RecurrentStateBytes(config_) > 0 ? 2 : 1;
  uint64_t preemptions = 0;
  for (const int threads : {1, 2}) {
    for (const int32_t tokens_per_step : {1, 7, 512}) {
      for (const int64_t blocks : {5, 7, 1000}) {
        for (const int32_t max_running : {2, 256}) {
          DecoderOptions options{.num_threads = threads,
                                 .deterministic = deterministic,
                                 .max_running = max_running,
                                 .kv_cache_bytes = blocks * block_bytes * with_states,
                                 .tokens_per_step = tokens_per_step};
          Decoder decoder = Make(options);
          const std::string what = std::to_string(threads) + " threads, " +
                                   std::to_string(tokens_per_step) + " tokens a step, " +
                                   std::to_string(blocks) + " blocks, " +
                                   std::to_string(max_running) + " running";
          ExpectSame(GenerateAll(decoder, requests), alone, what);
          EXPECT_TRUE(decoder.Idle());
          preemptions += decoder.stats().preemptions;
        }
      }
    }
  }
  EXPECT_GT(preemptions, 20u);  // the tiny caches did what they are there for
}

TEST_P(Invariance, ASampleIsTheSameWhateverItsBatchThreadsChunksAndPreemptions) {
  ExpectTheSameSamplesHoweverTheyAreComputed(/*deterministic=*/false);
}

TEST_P(Invariance, SoItIsWhereTheDecoderComputesAsTheLearnerDoes) {
  if (!config_.attention.latent()) return;  // the same as the one above
  ExpectTheSameSamplesHoweverTheyAreComputed(/*deterministic=*/true);
}

}  // namespace
}  // namespace cohort::rollout
