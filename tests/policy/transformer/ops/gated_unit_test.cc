#include "policy/transformer/ops/gated_unit.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace cohort::policy {
namespace {

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// As transformers writes them (activations "silu" and "gelu_pytorch_tanh", GptOssExperts).
at::Tensor Plain(GatedUnit unit, const at::Tensor& gate, const at::Tensor& up) {
  if (unit == GatedUnit::kSwiGlu) return at::silu(gate) * up;
  if (unit == GatedUnit::kGeGlu) return at::gelu(gate, "tanh") * up;
  const at::Tensor g = gate.clamp_max(7.0);
  return (up.clamp(-7.0, 7.0) + 1) * (g * at::sigmoid(g * 1.702));
}

class GatedUnits : public testing::TestWithParam<GatedUnit> {};
INSTANTIATE_TEST_SUITE_P(All, GatedUnits,
                         testing::Values(GatedUnit::kSwiGlu, GatedUnit::kGeGlu,
                                         GatedUnit::kClampedSwiGlu));

// fp32 takes our kernel, fp64 LibTorch. A third of the numbers lies beyond 7, and some at it.
TEST_P(GatedUnits, EqualTheirFormulaAndItsGradientWithEitherImplementation) {
  at::manual_seed(2);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    std::vector<at::Tensor> wide, own;
    for (int i = 0; i < 2; ++i) {
      at::Tensor x = 7 * torch::randn({70, 37}, at::kDouble);
      x[3].narrow(0, 0, 6).copy_(at::tensor({7.0, -7.0, 0.0, 7.5, -7.5, -30.0}));
      wide.push_back(x.to(at::kFloat).to(at::kDouble).requires_grad_());
      own.push_back(wide.back().detach().to(dtype).requires_grad_());
    }
    const at::Tensor expected = Plain(GetParam(), wide[0], wide[1]);
    const at::Tensor out = ApplyGatedUnit(GetParam(), own[0], own[1]);
    EXPECT_LT(LargestDifference(out, expected), dtype == at::kFloat ? 1e-4 : 1e-6);
    const at::Tensor weight = torch::randn({70, 37}, at::kDouble);
    (expected * weight).sum().backward();
    (out * weight.to(dtype)).sum().backward();
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_LT(LargestDifference(own[i].grad(), wide[i].grad()), dtype == at::kFloat ? 1e-4 : 1e-6)
          << i;
    }
  }
}

TEST_P(GatedUnits, TakeGatesAndUpsThatLieSideBySideInOneMatrix) {
  at::manual_seed(2);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const at::Tensor both = torch::randn({5, 46}, dtype), out = at::empty({5, 30}, dtype);
    const at::Tensor gate = both.narrow(1, 0, 23), up = both.narrow(1, 23, 23);
    ApplyGatedUnitInto(GetParam(), gate, up, out.narrow(1, 4, 23));
    EXPECT_LT(LargestDifference(out.narrow(1, 4, 23), Plain(GetParam(), gate, up)), 1e-6);
    const at::Tensor gradient = torch::randn({5, 23}, dtype), d_both = at::empty_like(both);
    GatedUnitBackward(GetParam(), gradient, gate, up,
                      {d_both.narrow(1, 0, 23), d_both.narrow(1, 23, 23)});
    const at::Tensor leaf = both.detach().clone().requires_grad_();
    (Plain(GetParam(), leaf.narrow(1, 0, 23), leaf.narrow(1, 23, 23)) * gradient).sum().backward();
    EXPECT_LT(LargestDifference(d_both, leaf.grad()), 1e-6);
  }
}

}  // namespace
}  // namespace cohort::policy
