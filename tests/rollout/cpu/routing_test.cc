// The decoder's gate beside the learner's.

#include <gtest/gtest.h>
#include <torch/types.h>

#include "kernels/cpu/gate.h"
#include "policy/transformer/ops/route.h"
#include "rollout/cpu/forward.h"

namespace cohort::rollout {
namespace {

struct GateCase {
  policy::GateScore score;
  bool bias, normalize;
  int64_t num_groups;
  policy::GroupScore group_score;
};

policy::MoeConfig ConfigOf(const GateCase& gate) {
  policy::MoeConfig moe;
  moe.num_experts = 24;
  moe.experts_per_token = 5;
  moe.score = gate.score;
  moe.selection_bias = gate.bias;
  moe.normalize_weights = gate.normalize;
  moe.num_groups = gate.num_groups;
  moe.groups_per_token = gate.num_groups > 1 ? 2 : 1;
  moe.group_score = gate.group_score;
  moe.routed_scaling = 1.7;
  return moe;
}

class Routing : public testing::TestWithParam<GateCase> {};
INSTANTIATE_TEST_SUITE_P(
    Gates, Routing,
    testing::Values(
        GateCase{policy::GateScore::kSigmoid, true, true, 1, policy::GroupScore::kTopTwoSum},
        GateCase{policy::GateScore::kSigmoid, true, true, 4, policy::GroupScore::kTopTwoSum},
        GateCase{policy::GateScore::kSigmoid, false, false, 8, policy::GroupScore::kTopTwoSum},
        GateCase{policy::GateScore::kSoftmax, false, true, 1, policy::GroupScore::kMax},
        GateCase{policy::GateScore::kSoftmax, false, false, 4, policy::GroupScore::kMax}));

TEST_P(Routing, PicksTheLearnersExpertsInItsOrderAmongManyEquals) {
  const policy::MoeConfig moe = ConfigOf(GetParam());
  at::manual_seed(11);
  const int64_t tokens = 400, experts = moe.num_experts;
  // Few distinct values, so that experts and groups tie; biases below every score too.
  const at::Tensor logits = torch::randint(-3, 4, {tokens, experts}).to(at::kFloat) / 2;
  const at::Tensor bias = torch::randint(-2, 2, {experts}).to(at::kFloat) / 2;
  const policy::Routing expected =
      policy::Route(logits, moe.selection_bias ? bias : at::Tensor(), moe);
  for (const kernels::Isa isa : kernels::AvailableIsas()) {
    for (int64_t token = 0; token < tokens; ++token) {
      int32_t picked[5];
      float weights[5];
      kernels::PickExperts(
          kernels::OpsFor(isa), moe, logits.const_data_ptr<float>() + token * experts,
          moe.selection_bias ? bias.const_data_ptr<float>() : nullptr, picked, weights);
      for (int64_t k = 0; k < 5; ++k) {
        ASSERT_EQ(picked[k], expected.experts_TK[token][k].item<int64_t>())
            << "token " << token << ", pick " << k;
        ASSERT_NEAR(weights[k], expected.weights_TK[token][k].item<float>(), 1e-6);
      }
    }
  }
}

}  // namespace
}  // namespace cohort::rollout
