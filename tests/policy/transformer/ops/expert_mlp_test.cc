#include "policy/transformer/ops/expert_mlp.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace cohort::policy {
namespace {

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// One token and slot at a time, by autograd.
at::Tensor SlowExperts(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& gate_up,
                       const at::Tensor& down, const at::Tensor& experts) {
  const int64_t m = down.size(2);
  std::vector<at::Tensor> rows;
  for (int64_t t = 0; t < x.size(0); ++t) {
    at::Tensor row = at::zeros({x.size(1)}, x.options());
    for (int64_t k = 0; k < experts.size(1); ++k) {
      const auto e = experts[t][k].item<int64_t>();
      const at::Tensor hidden = gate_up[e].mv(x[t]);
      const at::Tensor active = at::silu(hidden.narrow(0, 0, m)) * hidden.narrow(0, m, m);
      row = row + weights[t][k] * down[e].mv(active);
    }
    rows.push_back(row);
  }
  return at::stack(rows);
}

TEST(ExpertMlp, EqualsOneTokenAtATimeAndItsGradient) {
  torch::manual_seed(4);
  const int64_t tokens = 23, width = 10, m = 6, experts = 5;
  for (const int64_t per_token : {1, 2, 3}) {
    // Expert 4 gets nothing: its gradient is zero, not garbage.
    const at::Tensor choice = torch::rand({tokens, experts - 1})
                                  .argsort(/*dim=*/int64_t{1})
                                  .narrow(1, 0, per_token)
                                  .contiguous();
    const Dispatch dispatch = SortByExpert(choice, experts);
    std::vector<at::Tensor> wide, narrow;
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{tokens, width},
                                              {tokens, per_token},
                                              {experts, 2 * m, width},
                                              {experts, width, m}}) {
      wide.push_back(torch::randn(shape, at::kDouble).requires_grad_());
      narrow.push_back(wide.back().detach().to(at::kFloat).requires_grad_());
    }
    const at::Tensor expected = SlowExperts(wide[0], wide[1], wide[2], wide[3], choice);
    const at::Tensor out = ExpertMlp(narrow[0], narrow[1], narrow[2], narrow[3], dispatch);
    EXPECT_LT(LargestDifference(out, expected), 1e-4);
    const at::Tensor coefficients = torch::randn({tokens, width}, at::kDouble);
    (expected * coefficients).sum().backward();
    (out * coefficients.to(at::kFloat)).sum().backward();
    for (size_t i = 0; i < wide.size(); ++i) {
      EXPECT_LT(LargestDifference(narrow[i].grad(), wide[i].grad()), 2e-4)
          << "input " << i << " with " << per_token << " experts per token";
    }
    EXPECT_EQ(narrow[2].grad()[4].abs().sum().item<double>(), 0.0);
  }
}

}  // namespace
}  // namespace cohort::policy
