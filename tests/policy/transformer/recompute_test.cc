#include "policy/transformer/recompute.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "policy/lora/lora.h"
#include "policy/transformer/ops/dropout.h"
#include "policy/transformer/ops/numerics.h"
#include "tests/policy/family_golden.h"
#include "tests/policy/golden_model.h"

namespace cohort::policy {
namespace {

struct LayerGradients {
  std::map<std::string, at::Tensor> gradients;  // undefined where a parameter has none
  at::Tensor loss;
  at::Tensor expert_load_LE;
};

// Of the packed sequences' logprobs, with the first `recomputed` layers computed again.
LayerGradients Gradients(Transformer& policy, const PackedTokens& tokens, int64_t recomputed,
                         kernels::Numerics numerics = kernels::Numerics::kFloat32) {
  policy->zero_grad();
  policy->TakeExpertLoad();
  policy->RecomputeFirst(recomputed);
  const NextTokens next = FindNextTokens(tokens);
  LayerGradients out;
  {
    const NumericsScope scope(numerics);  // the backward pass is outside of it
    out.loss = -ComputeTokenLogprobs(policy(tokens).index_select(0, next.rows_N), policy->head(),
                                     next.targets_N, 1.0)
                    .logprobs_N.mean();
  }
  out.loss.backward();
  for (const auto& item : policy->named_parameters()) {
    const at::Tensor& gradient = item.value().grad();
    out.gradients[item.key()] = gradient.defined() ? gradient.clone() : gradient;
  }
  out.expert_load_LE = policy->TakeExpertLoad();
  return out;
}

void ExpectSame(const LayerGradients& found, const LayerGradients& kept) {
  EXPECT_TRUE(found.loss.equal(kept.loss));
  for (const auto& [name, gradient] : kept.gradients) {
    const at::Tensor& other = found.gradients.at(name);
    ASSERT_EQ(other.defined(), gradient.defined()) << name;
    EXPECT_TRUE(!gradient.defined() || other.equal(gradient)) << name;
  }
  ASSERT_EQ(found.expert_load_LE.defined(), kept.expert_load_LE.defined());
  EXPECT_TRUE(!kept.expert_load_LE.defined() || found.expert_load_LE.equal(kept.expert_load_LE));
}

class RecomputedLayers : public ::testing::TestWithParam<std::string> {
 protected:
  // A sequence, and a prompt that two others share.
  PackedTokens SharedPrefixes() const {
    const auto ids = [&](size_t s) {
      return golden_.expected.at("sequences")[s].at("ids").get<std::vector<int32_t>>();
    };
    const std::vector<int32_t> prompt = ids(0), one = ids(1);
    const std::span<const int32_t> all(one);
    return Pack(std::vector<Piece>{{all}, {prompt}, {all.first(4), 1}, {all.subspan(3, 9), 1}});
  }

  FamilyGolden golden_ = ReadFamilyGolden(GetParam());
  Transformer policy_ = MakeTransformer(golden_.config, FamilyGoldenWeights(golden_.config));
};

TEST_P(RecomputedLayers, GiveTheSameGradientsAndCountTheirExpertsOnce) {
  const PackedTokens tokens = SharedPrefixes();
  const LayerGradients kept = Gradients(policy_, tokens, 0);
  for (const int64_t layers : {int64_t{1}, golden_.config.num_layers}) {
    SCOPED_TRACE(layers);
    ExpectSame(Gradients(policy_, tokens, layers), kept);
  }
}

TEST_P(RecomputedLayers, HaveTheProductsClassOfTheirForwardPass) {
  const PackedTokens tokens = SharedPrefixes();
  const auto bf16 = kernels::Numerics::kBf16Dot;
  const LayerGradients kept = Gradients(policy_, tokens, 0, bf16);
  EXPECT_FALSE(kept.loss.equal(Gradients(policy_, tokens, 0).loss));
  ExpectSame(Gradients(policy_, tokens, golden_.config.num_layers, bf16), kept);
}

// The first layer's input has no gradient then.
TEST_P(RecomputedLayers, TrainAdaptersOfAFrozenModelAlikeWithTheSameDraws) {
  AttachLora(*policy_, {4, 8, {"all-linear"}}, 7);
  for (const auto& item : policy_->named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const at::NoGradGuard no_grad;
    at::Tensor(item.value()).add_(0.01);  // B begins at 0, and A has no gradient then
  }
  const PackedTokens tokens = SharedPrefixes();
  const LayerGradients whole = Gradients(policy_, tokens, 0);
  ExpectSame(Gradients(policy_, tokens, golden_.config.num_layers), whole);
  const auto draws = std::make_shared<DropoutDraws>(DropoutDraws{0.3, 11, PrefixKeys(tokens)});
  DropLoraInputs(*policy_, draws);
  const LayerGradients kept = Gradients(policy_, tokens, 0);
  EXPECT_FALSE(kept.loss.equal(whole.loss));
  ExpectSame(Gradients(policy_, tokens, golden_.config.num_layers), kept);
}

TEST_P(RecomputedLayers, KeepNothingWhereNothingIsTrained) {
  const at::NoGradGuard no_grad;
  const PackedTokens tokens = SharedPrefixes();
  const at::Tensor kept = policy_(tokens);
  policy_->RecomputeFirst(golden_.config.num_layers);
  const at::Tensor again = policy_(tokens);
  EXPECT_TRUE(again.equal(kept));
  EXPECT_FALSE(again.requires_grad());
}

INSTANTIATE_TEST_SUITE_P(Families, RecomputedLayers, ::testing::ValuesIn(FamilyGoldenNames()),
                         [](const auto& info) { return info.param; });

// (w x)^2 with w = 3: d/dx is 2 w^2 x, d/dw is 2 w x^2.
TEST(Recomputed, ComputesOnceMoreInTheBackwardPassAndKeepsNothingBefore) {
  const at::Tensor w = torch::tensor({3.0}).set_requires_grad(true);
  const at::Tensor x = torch::tensor({2.0}).set_requires_grad(true);
  std::vector<bool> calls;
  c10::weak_intrusive_ptr<c10::TensorImpl> product(x.getIntrusivePtr());
  const at::Tensor y = Recomputed(
      [&](const at::Tensor& in) {
        calls.push_back(IsRecomputing());
        const at::Tensor scaled = in * w;
        product = c10::weak_intrusive_ptr<c10::TensorImpl>(scaled.getIntrusivePtr());
        return scaled * scaled;
      },
      x, {w});
  EXPECT_EQ(y.item<double>(), 36);
  EXPECT_TRUE(product.expired());
  y.backward();
  EXPECT_EQ(calls, (std::vector<bool>{false, true}));
  EXPECT_FALSE(IsRecomputing());
  EXPECT_EQ(x.grad().item<double>(), 36);
  EXPECT_EQ(w.grad().item<double>(), 24);
}

TEST(Recomputed, AFailureOfTheSecondCallComesThroughAndLeavesNoTrace) {
  const at::Tensor x = torch::tensor({2.0}).set_requires_grad(true);
  const at::Tensor y = Recomputed(
      [](const at::Tensor& in) {
        if (IsRecomputing()) throw std::bad_alloc();
        return in * in;
      },
      x, {});
  EXPECT_THROW(y.backward(), std::bad_alloc);
  EXPECT_FALSE(IsRecomputing());
  EXPECT_FALSE(x.grad().defined());
}

}  // namespace
}  // namespace cohort::policy
