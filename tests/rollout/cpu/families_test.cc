// The decoder beside the learner, which has a golden of transformers for every family.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "policy/transformer/ops/logprobs.h"
#include "policy/transformer/ops/numerics.h"
#include "policy/transformer/transformer.h"
#include "rollout/cpu/cpu_decoder.h"
#include "rollout/cpu/forward.h"
#include "rollout/weight_sync/weight_image.h"
#include "tests/rollout/family_models.h"

namespace cohort::rollout {
namespace {

class Families : public testing::TestWithParam<FamilyModel> {
 protected:
  policy::ModelConfig config_ = GetParam().config;
  policy::WeightMap weights_ = RandomWeights(config_);

  Decoder Make(DecoderOptions options = {.num_threads = 2}) const {
    return MakeCpuDecoder(config_, weights_, options, 0);
  }

  // fp32 [length, V], the learner's.
  at::Tensor LearnerLogits(const std::vector<int32_t>& ids) const {
    const at::NoGradGuard no_grad;
    policy::Transformer learner(config_);
    learner->LoadWeights(weights_);
    learner->eval();
    const policy::LogitHead head = learner->head();
    const at::Tensor logits = at::linear(learner(policy::Pack({ids})), head.weight_VD);
    return head.soft_cap == 0 ? logits : (logits / head.soft_cap).tanh() * head.soft_cap;
  }
};
INSTANTIATE_TEST_SUITE_P(Models, Families, testing::ValuesIn(FamilyModels()),
                         [](const auto& info) { return info.param.name; });

TEST_P(Families, ScoresAgreeWithTheLearner) {
  Decoder decoder = Make();
  for (const size_t length : {5, 33, 150}) {
    const std::vector<int32_t> ids = RandomIds(config_, length, length);
    const at::Tensor expected = LearnerLogits(ids).log_softmax(-1);
    const std::vector<float> logprobs = decoder.Score(ids);
    ASSERT_EQ(logprobs.size(), length - 1);
    double sum = 0, largest = 0;
    for (size_t i = 0; i < logprobs.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      const double difference = std::abs(logprobs[i] - expected[row][ids[i + 1]].item<float>());
      sum += difference;
      largest = std::max(largest, difference);
    }
    EXPECT_LT(sum / static_cast<double>(logprobs.size()), 2e-6) << length;
    EXPECT_LT(largest, 2e-5) << length;
  }
}

// The decoder absorbs latent attention where it need not compute as the learner does; all else it
// computes in the learner's order of operations anyway: logprobs are the same bits. Of a gated
// delta net the gates and decays differ in their last bits, which are LibTorch's in the learner.
bool IsBitForBit(const policy::ModelConfig& config, bool deterministic) {
  return config.linear.layers.empty() && (deterministic || !config.attention.latent());
}

// Mean |policy_logprobs - rollout_logprobs| over tokens that the decoder drew.
double GapOnSampledTokens(policy::Transformer& learner, Decoder& decoder,
                          kernels::Numerics numerics) {
  const policy::ModelConfig& config = learner->config();
  double gap = 0;
  int64_t count = 0;
  for (const size_t length : {5, 33, 100}) {
    // The first tokens of a text that grows long turn otherwise than when they were drawn.
    if (config.rope.kind == policy::RopeKind::kLongRope && length < 33) continue;
    GroupRequest request{.prompt_ids = RandomIds(config, length, length),
                         .sample_ids = {0, 1, 2, 3, 4, 5, 6, 7}};
    request.sampling = {.temperature = 0.8, .max_new_tokens = 40};
    for (const auto& sample : GenerateAll(decoder, {request})) {
      std::vector<int32_t> text = request.prompt_ids;
      text.insert(text.end(), sample.ids.begin(), sample.ids.end());
      const at::NoGradGuard no_grad;
      const policy::NumericsScope scope(numerics);
      const at::Tensor hidden =
          learner(policy::Pack({text})).narrow(0, length - 1, sample.ids.size());
      const at::Tensor targets =
          at::tensor(std::vector<int64_t>(sample.ids.begin(), sample.ids.end()));
      const at::Tensor logprobs =
          policy::ComputeTokenLogprobs(hidden, learner->head(), targets, 0.8).logprobs_N;
      gap += (logprobs - at::tensor(sample.rollout_logprobs)).abs().sum().item<double>();
      count += std::ssize(sample.ids);
    }
  }
  EXPECT_GT(count, 300);
  return gap / static_cast<double>(count);
}

DecoderOptions OptionsFor(kernels::Numerics numerics, bool deterministic) {
  const bool bf16 = numerics != kernels::Numerics::kFloat32;
  return {.num_threads = 2,
          .dtype = bf16 ? policy::Dtype::kBFloat16 : policy::Dtype::kFloat32,
          .numerics = numerics,
          .deterministic = deterministic};
}

constexpr kernels::Numerics kClasses[] = {kernels::Numerics::kFloat32, kernels::Numerics::kBf16Dot,
                                          kernels::Numerics::kBf16Amx};

TEST_P(Families, SampledTokensHaveTheLearnersLogprobsInEveryClassOfProducts) {
  policy::Transformer learner(config_);
  learner->LoadWeights(weights_);
  learner->eval();
  for (const kernels::Numerics numerics : kClasses) {
    for (const bool deterministic : {false, true}) {
      SCOPED_TRACE(kernels::NumericsName(numerics));
      SCOPED_TRACE(deterministic ? "deterministic" : "not deterministic");
      Decoder decoder = Make(OptionsFor(numerics, deterministic));
      const double mean = GapOnSampledTokens(learner, decoder, numerics);
      if (IsBitForBit(config_, deterministic)) {
        EXPECT_EQ(mean, 0);
      } else {
        // These models' logits are several units apart: rounding to bf16 moves them by a tenth.
        EXPECT_LT(mean, numerics == kernels::Numerics::kFloat32 ? 2e-6 : 1.5e-3);
      }
    }
  }
}

// At the size that training starts from: without a flag, whatever the family.
TEST_P(Families, SampledTokensHaveTheLearnersLogprobsWithin1e6InFp32And1e3InBf16) {
  const policy::WeightMap weights = RandomWeights(config_, 7, /*scale=*/1.0);
  policy::Transformer learner(config_);
  learner->LoadWeights(weights);
  learner->eval();
  for (const kernels::Numerics numerics : kClasses) {
    Decoder decoder = MakeCpuDecoder(config_, weights, OptionsFor(numerics, false), 0);
    const double bound = numerics == kernels::Numerics::kFloat32 ? 1e-6 : 1e-3;
    EXPECT_LE(GapOnSampledTokens(learner, decoder, numerics), bound)
        << kernels::NumericsName(numerics);
  }
}

TEST_P(Families, GreedyTextIsTheLearnersWhereverItsTopTwoAreApart) {
  Decoder decoder = Make();
  int compared = 0;
  for (const size_t length : {5, 33, 150}) {
    GroupRequest request{.prompt_ids = RandomIds(config_, length, length), .sample_ids = {0}};
    request.sampling = {.temperature = 0, .max_new_tokens = 24};
    const std::vector<int32_t> drawn = GenerateAll(decoder, {request}).at(0).ids;
    std::vector<int32_t> text = request.prompt_ids;
    text.insert(text.end(), drawn.begin(), drawn.end());
    // The first tokens of a long text turn otherwise than when they were drawn.
    const bool by_length = config_.rope.kind == policy::RopeKind::kLongRope;
    const at::Tensor whole = LearnerLogits(text);
    for (size_t i = 0; i < drawn.size(); ++i) {
      const auto row = static_cast<int64_t>(length + i) - 1;
      const at::Tensor logits =
          by_length ? LearnerLogits({text.begin(), text.begin() + row + 1})[row] : whole[row];
      const auto [top, tokens] = logits.topk(2, -1);
      if ((top[0] - top[1]).item<float>() <= 1e-3f) continue;
      EXPECT_EQ(drawn[i], tokens[0].item<int64_t>()) << length << ", token " << i;
      ++compared;
    }
  }
  EXPECT_GT(compared, 60);
}

// Fresh copies, of which the taker should have let one go before it takes the next.
class Counted final : public policy::WeightSource {
 public:
  explicit Counted(policy::WeightMap weights) : weights_(std::move(weights)) {}

  at::Tensor Take(const std::string& name) override {
    return Given(weights_.contains(name) ? weights_.at(name) : at::Tensor());
  }
  at::Tensor TakeExpert(const std::string& name, policy::ExpertIndex expert) override {
    return Given(weights_.at(name)[expert.index]);
  }
  policy::WeightMap TakeAll() override { return weights_; }

  int given() const { return static_cast<int>(given_.size()); }
  int most_held() const { return most_held_; }

 private:
  at::Tensor Given(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    const at::Tensor copy = tensor.clone();
    given_.emplace_back(copy.storage().getWeakStorageImpl());
    int held = 0;
    for (const auto& storage : given_) held += storage.expired() ? 0 : 1;
    most_held_ = std::max(most_held_, held);
    return copy;
  }

  policy::WeightMap weights_;
  std::vector<c10::weak_intrusive_ptr<c10::StorageImpl>> given_;
  int most_held_ = 0;
};

TEST_P(Families, LoadingHoldsAtMostTwoTensorsThatAreNotPackedYet) {
  Counted source(weights_);
  Decoder decoder = MakeCpuDecoder(config_, source, {.num_threads = 2}, 0);
  EXPECT_GE(source.given(), static_cast<int>(weights_.size()));
  EXPECT_LE(source.most_held(), 2);  // an expert's two
  const std::vector<int32_t> ids = RandomIds(config_, 40, 1);
  EXPECT_EQ(decoder.Score(ids), Make().Score(ids));
}

TEST_P(Families, SwappedWeightsReplaceEveryOldOne) {
  const std::vector<int32_t> ids = RandomIds(config_, 40, 1);
  Decoder decoder = MakeCpuDecoder(config_, RandomWeights(config_, 8), {.num_threads = 2}, 0);
  const std::vector<float> before = decoder.Score(ids);
  decoder.SwapWeights(weights_, 1);
  EXPECT_NE(decoder.Score(ids), before);
  EXPECT_EQ(decoder.Score(ids), Make().Score(ids));
}

TEST_P(Families, WeightsThatCameAsAnImageGiveTheSameBits) {
  v1::WeightManifest manifest = PlanImage(weights_, 1, policy::Dtype::kFloat32);
  const auto image = std::make_shared<std::vector<std::byte>>(manifest.total_bytes());
  WriteImage(weights_, *image, &manifest);
  EXPECT_NO_THROW(CheckManifest(manifest, config_));
  const std::vector<int32_t> ids = RandomIds(config_, 40, 1);
  Decoder decoder =
      MakeCpuDecoder(config_, ViewImage(manifest, *image, image), {.num_threads = 2}, 1);
  EXPECT_EQ(decoder.Score(ids), Make().Score(ids));
}

// The worker would round to the same numbers; the image only does it earlier.
TEST_P(Families, AnImageRoundedForABf16WorkerGivesTheBitsOfTheFullOne) {
  v1::WeightManifest manifest = PlanImage(weights_, 1, policy::Dtype::kBFloat16);
  const auto image = std::make_shared<std::vector<std::byte>>(manifest.total_bytes());
  WriteImage(weights_, *image, &manifest);
  EXPECT_NO_THROW(CheckManifest(manifest, config_));
  EXPECT_LT(
      manifest.total_bytes(),
      0.7 * static_cast<double>(PlanImage(weights_, 1, policy::Dtype::kFloat32).total_bytes()));
  const std::vector<int32_t> ids = RandomIds(config_, 40, 1);
  const DecoderOptions options{.num_threads = 2, .dtype = policy::Dtype::kBFloat16};
  Decoder decoder = MakeCpuDecoder(config_, ViewImage(manifest, *image, image), options, 1);
  EXPECT_EQ(decoder.Score(ids), Make(options).Score(ids));
}

TEST_P(Families, Bf16StorageOfBf16WeightsGivesTheSameBits) {
  for (auto& [name, tensor] : weights_) tensor = tensor.to(at::kBFloat16).to(at::kFloat);
  const std::vector<int32_t> ids = RandomIds(config_, 40, 1);
  Decoder halves = Make({.num_threads = 2, .dtype = policy::Dtype::kBFloat16});
  EXPECT_EQ(halves.Score(ids), Make().Score(ids));
}

TEST_P(Families, LogitsAreTheSameBitsUnderEveryInstructionSet) {
  kernels::ThreadPool pool(2);
  DecoderWeights weights(config_, kernels::Storage::kFloat32);
  policy::WeightsInMemory source(weights_);
  weights.Load(source, pool);
  ModelRopes ropes(config_);
  ropes.Reserve(40);
  const std::vector<int32_t> ids = RandomIds(config_, 40, 1);
  const std::vector<BlockTable> tables = {{1, 0}};  // one for all layers, whatever their windows
  std::vector<float> expected;
  for (const kernels::Isa isa : kernels::AvailableIsas()) {
    KvCache cache(KvLayoutOf(config_.attention), LayersAlike(config_.num_layers), int64_t{1} << 24,
                  2);
    RecurrentStates states(config_, RecurrentStateBytes(config_) > 0 ? 2 : 0);
    Forward forward({config_, weights, ropes, cache, states, kernels::OpsFor(isa)}, pool);
    std::vector<SequenceRows> rows = {{ids, 0, tables, 0}};
    rows.front().state = 1;
    forward.Run(rows);
    const float* logits = forward.Logits(std::vector<int64_t>{0, 17, 39});
    const std::vector<float> found(logits, logits + 3 * forward.ld_logits());
    if (expected.empty()) expected = found;
    EXPECT_EQ(found, expected) << kernels::IsaName(isa);
  }
}

}  // namespace
}  // namespace cohort::rollout
