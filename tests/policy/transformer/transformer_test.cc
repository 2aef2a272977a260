#include "policy/transformer/transformer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "policy/transformer/ops/logprobs.h"
#include "tests/policy/golden_model.h"

namespace cohort::policy {
namespace {

class TransformerGolden : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenModel golden_ = ReadGoldenModel(GetParam());
  Transformer policy_ = MakeTransformer(golden_.config, golden_.weights);
  PackedTokens tokens_ = Pack(golden_.sequences);
  NextTokens next_ = FindNextTokens(tokens_);

  TokenLogprobs Logprobs(double temperature) {
    return ComputeTokenLogprobs(policy_(tokens_).index_select(0, next_.rows_N), policy_->head(),
                                next_.targets_N, temperature);
  }
};

TEST_P(TransformerGolden, GivesTheLogprobsOfTransformers) {
  EXPECT_LT(LargestDifference(Logprobs(1.0).logprobs_N, golden_.expected.at("logprobs")), 2e-5);
}

TEST_P(TransformerGolden, GivesTheTemperedLogprobsAndEntropyOfTransformers) {
  const TokenLogprobs out = Logprobs(0.7);
  EXPECT_LT(LargestDifference(out.logprobs_N, golden_.expected.at("logprobs_tempered")), 2e-5);
  EXPECT_LT(LargestDifference(out.entropy_N, golden_.expected.at("entropy_tempered")), 2e-5);
}

TEST_P(TransformerGolden, GivesTheGradientOfTransformersForEveryParameter) {
  (Logprobs(0.7).logprobs_N * golden_.expected.at("coefficients")).sum().backward();
  size_t compared = 0;
  for (const auto& item : policy_->named_parameters()) {
    const auto expected = golden_.expected.find("grad." + item.key());
    ASSERT_NE(expected, golden_.expected.end()) << item.key();
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_LT(RelativeDifference(item.value().grad(), expected->second), 1e-4) << item.key();
    ++compared;
  }
  size_t stored = 0;
  for (const auto& [key, value] : golden_.expected) stored += key.starts_with("grad.") ? 1 : 0;
  EXPECT_EQ(compared, stored);
}

TEST_P(TransformerGolden, GivesASequenceTheSameHiddenStatesAloneAndInAPack) {
  const at::NoGradGuard no_grad;
  const at::Tensor packed = policy_(tokens_);
  for (size_t s = 0; s < golden_.sequences.size(); ++s) {
    const at::Tensor alone = policy_(Pack({golden_.sequences[s]}));
    EXPECT_LT(LargestDifference(packed.narrow(0, tokens_.segments[s].first, alone.size(0)), alone),
              1e-5)
        << "sequence " << s;
  }
}

TEST_P(TransformerGolden, GivesTheSameBitsEveryTime) {
  const auto run = [&] {
    policy_->zero_grad();
    Logprobs(0.7).logprobs_N.sum().backward();
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& parameter : policy_->parameters()) {
      gradients.push_back(parameter.grad().clone());
    }
    return gradients;
  };
  const std::vector<at::Tensor> first = run();
  const std::vector<at::Tensor> second = run();
  for (size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(at::equal(first[i], second[i])) << i;
}

TEST_P(TransformerGolden, NamesItsWeightsAsTheContractDoes) {
  const WeightMap weights = policy_->Weights();
  EXPECT_NO_THROW(CheckWeights(golden_.config, weights, "the policy"));
  for (const auto& [name, tensor] : weights) {
    EXPECT_TRUE(at::equal(tensor, golden_.weights.at(name))) << name;
    EXPECT_FALSE(tensor.requires_grad()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, TransformerGolden, ::testing::Values("tiny_llama", "tiny_moe"),
                         [](const auto& info) { return info.param; });

TEST(Transformer, HandsOutLiveViewsOfItsWeights) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  policy->Weights().at("model.norm.weight").fill_(3.0);
  EXPECT_EQ(policy->Weights().at("model.norm.weight")[0].item<double>(), 3.0);
}

TEST(Transformer, RefusesWeightsOfAnotherModelByName) {
  GoldenModel golden = ReadGoldenModel("tiny_llama");
  golden.weights.erase("model.norm.weight");
  Transformer policy(golden.config);
  try {
    policy->LoadWeights(golden.weights);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("1 missing: model.norm.weight"), std::string::npos);
  }
}

TEST(Transformer, CountsExpertLoadInTrainingModeOnly) {
  const GoldenModel golden = ReadGoldenModel("tiny_moe");
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  const PackedTokens tokens = Pack(golden.sequences);
  policy->eval();
  policy(tokens);
  EXPECT_EQ(policy->TakeExpertLoad().sum().item<double>(), 0.0);
  policy->train();
  policy(tokens);
  policy(tokens);
  const at::Tensor load = policy->TakeExpertLoad();
  ASSERT_EQ(load.sizes(), (c10::IntArrayRef{2, 6}));
  const double slots = 2.0 * 2.0 * static_cast<double>(tokens.ids_T.size(0));
  EXPECT_EQ(load[0].sum().item<double>(), slots);
  EXPECT_EQ(load[1].sum().item<double>(), slots);
  EXPECT_EQ(policy->TakeExpertLoad().sum().item<double>(), 0.0);
}

TEST(Transformer, MovesTheSelectionBiasTowardsIdleExperts) {
  const GoldenModel golden = ReadGoldenModel("tiny_moe");
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  const std::string name = "model.layers.2.mlp.gate.e_score_correction_bias";
  const at::Tensor before = policy->Weights().at(name).clone();
  at::Tensor load = at::full({2, 6}, 4.0, at::kDouble);
  load[1][0] = 9.0;
  load[1][1] = 1.0;
  load[1][2] = 2.0;  // mean 4
  policy->UpdateSelectionBias(load, 0.125);
  const at::Tensor moved = policy->Weights().at(name) - before;
  const at::Tensor expected = torch::tensor({-0.125, 0.125, 0.125, 0.0, 0.0, 0.0});
  EXPECT_LT(LargestDifference(moved, expected), 1e-6);
}

TEST(Transformer, KeepsTheSelectionBiasInFp32WhenItIsCast) {
  const GoldenModel golden = ReadGoldenModel("tiny_moe");
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  policy->to(at::kBFloat16);
  const std::string name = "model.layers.2.mlp.gate.e_score_correction_bias";
  EXPECT_TRUE(at::equal(policy->Weights().at(name), golden.weights.at(name)));
  EXPECT_EQ(policy->Weights().at("model.norm.weight").scalar_type(), at::kBFloat16);
}

TEST(Transformer, HasNoExpertLoadWhenDense) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  EXPECT_FALSE(Transformer(golden.config)->TakeExpertLoad().defined());
}

TEST(Transformer, GivesThePaddingTokensRowOfTheEmbeddingNoGradient) {
  GoldenModel golden = ReadGoldenModel("tiny_moe");
  ASSERT_FALSE(golden.config.tie_embeddings);
  const int32_t pad = golden.sequences[0][0], other = golden.sequences[0][1];
  ASSERT_NE(pad, other);
  for (const bool padded : {false, true}) {
    golden.config.pad_id = padded ? pad : -1;
    Transformer policy = MakeTransformer(golden.config, golden.weights);
    policy(Pack(golden.sequences)).square().sum().backward();
    const at::Tensor grad_VD = policy->named_parameters()["model.embed_tokens.weight"].grad();
    EXPECT_EQ(grad_VD[pad].abs().sum().item<double>() == 0, padded);
    EXPECT_GT(grad_VD[other].abs().sum().item<double>(), 0);
  }
}

}  // namespace
}  // namespace cohort::policy
