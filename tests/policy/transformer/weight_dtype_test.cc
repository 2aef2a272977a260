// The transformer in the dtype of the weights that it is given.

#include <gtest/gtest.h>

#include <cmath>

#include "policy/lora/lora.h"
#include "tests/policy/golden_model.h"

namespace cohort::policy {
namespace {

const std::string kBias = "e_score_correction_bias";

bool IsBias(const std::string& name) { return name.ends_with(kBias); }

// As a folder in bfloat16 holds them.
WeightMap InBFloat16(const WeightMap& weights) {
  WeightMap out;
  for (const auto& [name, tensor] : weights) {
    out[name] = IsBias(name) ? tensor.clone() : tensor.to(at::kBFloat16);
  }
  return out;
}

// ||a - b|| / ||b||
double RelativeError(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).norm().item<double>() /
         b.to(at::kDouble).norm().item<double>();
}

class WeightDtype : public ::testing::TestWithParam<std::string> {
 protected:
  Transformer Adopted(at::ScalarType dtype) {
    Transformer policy(golden_.config, at::TensorOptions(dtype));
    WeightMap weights = InBFloat16(golden_.weights);  // the same numbers in either dtype
    for (auto& [name, tensor] : weights) {
      if (!IsBias(name)) tensor = tensor.to(dtype).clone();
    }
    policy->AdoptWeights(std::move(weights));
    return policy;
  }

  // A bfloat16 number has 8 significant bits: a rounding moves it by up to 2^-8 of itself. A layer
  // rounds some 12 times on the way of a number (two norms, projections, rotation, softmax, the two
  // sums of the residual), and errors of different roundings add up like the sides of a right
  // angle.
  double Bound() const {
    return std::pow(2.0, -8) * std::sqrt(12.0 * static_cast<double>(golden_.config.num_layers));
  }

  GoldenModel golden_ = ReadGoldenModel(GetParam());
  PackedTokens tokens_ = Pack(golden_.sequences);
};

INSTANTIATE_TEST_SUITE_P(Families, WeightDtype, ::testing::Values("tiny_llama", "tiny_moe"),
                         [](const auto& info) { return info.param; });

TEST_P(WeightDtype, BFloat16AgreesWithFp32WithinItsRounding) {
  const at::NoGradGuard no_grad;
  const at::Tensor narrow = Adopted(at::kBFloat16)(tokens_), wide = Adopted(at::kFloat)(tokens_);
  EXPECT_EQ(narrow.scalar_type(), at::kBFloat16);
  const double error = RelativeError(narrow, wide);
  EXPECT_LT(error, Bound());
  EXPECT_GT(error, std::pow(2.0, -10)) << "fp32 in disguise";
}

TEST_P(WeightDtype, BFloat16GivesTheGradientsOfFp32WithinItsRounding) {
  const NextTokens next = FindNextTokens(tokens_);
  std::vector<at::Tensor> flat;
  for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat}) {
    Transformer policy = Adopted(dtype);
    const TokenLogprobs out = ComputeTokenLogprobs(policy(tokens_).index_select(0, next.rows_N),
                                                   policy->head(), next.targets_N, 1.0);
    EXPECT_EQ(out.logprobs_N.scalar_type(), at::kFloat);
    out.logprobs_N.sum().backward();
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& parameter : policy->parameters()) {
      EXPECT_EQ(parameter.grad().scalar_type(), dtype);
      gradients.push_back(parameter.grad().to(at::kFloat).flatten());
    }
    flat.push_back(at::cat(gradients));
  }
  EXPECT_LT(RelativeError(flat[0], flat[1]), 2 * Bound());  // forwards and back
}

TEST_P(WeightDtype, LoadedWeightsTakeTheDtypeThatTheModelWasMadeWith) {
  const at::NoGradGuard no_grad;
  Transformer loaded(golden_.config, at::TensorOptions(at::kBFloat16));
  loaded->LoadWeights(golden_.weights);
  for (const auto& [name, tensor] : loaded->Weights()) {
    EXPECT_EQ(tensor.scalar_type(), IsBias(name) ? at::kFloat : at::kBFloat16) << name;
  }
  EXPECT_TRUE(at::equal(loaded(tokens_), Adopted(at::kBFloat16)(tokens_)));
}

TEST_P(WeightDtype, AdoptedSelectionBiasesAreFp32WhateverTheyWere) {
  WeightMap weights = golden_.weights;
  for (auto& [name, tensor] : weights) tensor = tensor.to(at::kBFloat16);
  Transformer policy(golden_.config);
  policy->AdoptWeights(std::move(weights));
  for (const auto& [name, tensor] : policy->Weights()) {
    EXPECT_EQ(tensor.scalar_type(), IsBias(name) ? at::kFloat : at::kBFloat16) << name;
  }
}

TEST_P(WeightDtype, AdaptersHaveTheDtypeOfTheirLayers) {
  Transformer policy = Adopted(at::kBFloat16);
  AttachLora(*policy, {.rank = 2, .alpha = 4, .targets = {kAllLinear}}, 1);
  policy(tokens_).sum().backward();
  for (const auto& item : policy->named_parameters()) {
    if (item.key().find(".lora_B") == std::string::npos) continue;
    EXPECT_EQ(item.value().scalar_type(), at::kBFloat16) << item.key();
    EXPECT_TRUE(item.value().grad().defined()) << item.key();
  }
  WeightMap moved;
  for (const auto& [name, tensor] : LoraWeights(*policy)) moved[name] = at::ones(tensor.sizes());
  LoadLoraWeights(*policy, moved);
  const std::string name = "model.layers.0.self_attn.q_proj.weight";
  const at::Tensor before = policy->Weights().at(name), after = MergedWeights(*policy).at(name);
  EXPECT_EQ(after.scalar_type(), at::kBFloat16);
  // Rank 2 and scale 2: 4 is added to every number.
  EXPECT_TRUE(at::equal(after, (before.to(at::kFloat) + 4).to(at::kBFloat16)));
}

}  // namespace
}  // namespace cohort::policy
