// The experts that the decoder records, and a learner that replays them.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <map>

#include "base/error.h"
#include "policy/config/routing_format.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/transformer/transformer.h"
#include "rollout/cpu/attention_weights.h"
#include "rollout/cpu/cpu_decoder.h"
#include "tests/rollout/family_models.h"

namespace cohort::rollout {
namespace {

using policy::RoutingFormat;
using policy::RoutingFormatOf;

class RecordedRouting : public testing::TestWithParam<FamilyModel> {
 protected:
  policy::ModelConfig config_ = GetParam().config;
  policy::WeightMap weights_ = RandomWeights(config_);
  RoutingFormat format_ = RoutingFormatOf(config_);

  std::vector<SampledCompletion> Sample(const DecoderOptions& options) const {
    GroupRequest request{.prompt_ids = RandomIds(config_, 37, 3), .sample_ids = {0, 1, 2, 3}};
    request.sampling = {.max_new_tokens = 40, .record_routing = true};
    Decoder decoder = MakeCpuDecoder(config_, weights_, options, 0);
    return GenerateAll(decoder, {request});
  }

  static std::string PromptRouting(const std::vector<SampledCompletion>& samples) {
    std::string found;
    int given = 0;
    for (const SampledCompletion& sample : samples) {
      given += sample.prompt_routing.empty() ? 0 : 1;
      if (found.empty()) found = sample.prompt_routing;
    }
    EXPECT_EQ(given, 1) << "samples that bring the prompt's";
    return found;
  }

  // Of the prompt and of the completion but for its last token: [T, MoE layers, K].
  at::Tensor Experts(const std::string& prompt, const SampledCompletion& sample) const {
    const std::string all = prompt + sample.routing;
    std::vector<int32_t> experts;
    const auto* bytes = reinterpret_cast<const uint8_t*>(all.data());
    for (int64_t i = 0; i < std::ssize(all) / format_.number_bytes(); ++i) {
      experts.push_back(format_.Read(bytes, i));
    }
    return at::tensor(experts, at::kInt)
        .view({-1, format_.moe_layers, format_.experts_per_token})
        .clone();
  }

  policy::Transformer Learner(const policy::WeightMap& weights) const {
    policy::Transformer learner(config_);
    learner->LoadWeights(weights);
    learner->train();  // which counts
    return learner;
  }
};

std::vector<FamilyModel> MoeModels() {
  std::vector<FamilyModel> models;
  for (FamilyModel& model : FamilyModels()) {
    if (RoutingFormatOf(model.config).moe_layers > 0) models.push_back(std::move(model));
  }
  return models;
}
INSTANTIATE_TEST_SUITE_P(Models, RecordedRouting, testing::ValuesIn(MoeModels()),
                         [](const auto& info) { return info.param.name; });

TEST_P(RecordedRouting, IsTheLearnersOwnWhereTheWeightsAreEqualAndReplayingItChangesNoBit) {
  const at::NoGradGuard no_grad;
  const auto samples = Sample({.num_threads = 2, .deterministic = true});
  const std::string prompt = PromptRouting(samples);
  ASSERT_EQ(format_.FaultOf(prompt, 37), "");
  policy::Transformer learner = Learner(weights_);
  for (const SampledCompletion& sample : samples) {
    const auto computed = static_cast<int64_t>(sample.ids.size()) - 1;
    ASSERT_EQ(format_.FaultOf(sample.routing, computed), "");
    std::vector<int32_t> text = RandomIds(config_, 37, 3);
    text.insert(text.end(), sample.ids.begin(), sample.ids.end() - 1);
    learner->ReplayRouting({});
    const at::Tensor own = learner(policy::Pack({text}));
    learner->ReplayRouting(Experts(prompt, sample));
    EXPECT_TRUE(at::equal(learner(policy::Pack({text})), own));
    const auto replayed = learner->TakeReplayedTokens();
    EXPECT_EQ(replayed.count, (37 + computed) * format_.moe_layers);
    EXPECT_EQ(replayed.differing, 0);
  }
}

TEST_P(RecordedRouting, IsReplayedByALearnerWhoseWeightsMovedAndWhatItWouldNotPickIsCounted) {
  const at::NoGradGuard no_grad;
  const auto samples = Sample({.num_threads = 2});
  const SampledCompletion& sample = samples.front();
  const std::string prompt = PromptRouting(samples);
  std::vector<int32_t> text = RandomIds(config_, 37, 3);
  text.insert(text.end(), sample.ids.begin(), sample.ids.end() - 1);
  policy::Transformer learner = Learner(RandomWeights(config_, 8));
  const at::Tensor experts = Experts(prompt, sample);
  learner->ReplayRouting(experts);
  learner(policy::Pack({text}));
  const at::Tensor load = learner->TakeExpertLoad();
  for (int64_t layer = 0; layer < format_.moe_layers; ++layer) {
    const at::Tensor recorded =
        at::bincount(experts.select(1, layer).flatten(), {}, format_.num_experts);
    EXPECT_TRUE(at::equal(load[layer], recorded.to(at::kDouble))) << layer;
  }
  const auto replayed = learner->TakeReplayedTokens();
  EXPECT_EQ(replayed.count, experts.size(0) * format_.moe_layers);
  EXPECT_GT(replayed.differing, 0);
  learner->ReplayRouting({});
  learner(policy::Pack({text}));
  EXPECT_EQ(learner->TakeReplayedTokens().count, 0);
  EXPECT_FALSE(at::equal(learner->TakeExpertLoad(), load));
}

TEST_P(RecordedRouting, DoesNotDependOnThreadsChunksOrPreemptions) {
  const auto expected = Sample({.num_threads = 1});
  const int64_t block = KvLayoutOf(config_.attention).block_floats() *
                        (config_.num_layers - std::ssize(config_.linear.layers)) * 4;
  const int64_t few = config_.linear.layers.empty() ? 6 * block : int64_t{1} << 24;
  for (const int32_t tokens_per_step : {1, 7, 512}) {
    for (const int64_t bytes : {few, int64_t{1} << 26}) {
      const auto samples =
          Sample({.num_threads = 2, .kv_cache_bytes = bytes, .tokens_per_step = tokens_per_step});
      EXPECT_EQ(PromptRouting(samples), PromptRouting(expected));
      for (size_t i = 0; i < samples.size(); ++i) {
        EXPECT_EQ(samples[i].ids, expected[i].ids);
        EXPECT_EQ(samples[i].routing, expected[i].routing) << tokens_per_step << ", " << bytes;
      }
    }
  }
}

TEST(RecordedRoutingOfADenseModel, IsRefusedSinceThereIsNone) {
  const policy::ModelConfig config = DenseConfig("qwen2");
  Decoder decoder = MakeCpuDecoder(config, RandomWeights(config), {.num_threads = 1}, 0);
  GroupRequest request{.prompt_ids = {1, 2}, .sample_ids = {0}};
  request.sampling.record_routing = true;
  EXPECT_THROW(decoder.Submit(request), Error);
  request.sampling.record_routing = false;
  EXPECT_EQ(GenerateAll(decoder, {request}).at(0).routing, "");
}

}  // namespace
}  // namespace cohort::rollout
