#include "policy/transformer/ops/matmul.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <array>

namespace cohort::policy {
namespace {

// Against fp64, as a share of what fp32 sums of k unit-normal products may lose.
void ExpectProduct(const at::Tensor& got, const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor exact = a.to(at::kDouble).mm(b.to(at::kDouble).t());
  ASSERT_EQ(got.sizes(), exact.sizes());
  const double error = (got.to(at::kDouble) - exact).abs().max().item<double>();
  EXPECT_LT(error, 1e-6 * static_cast<double>(a.size(1)));
}

TEST(Matmul, EqualsTheExactProductForSmallAndLargeShapesAndAnyStrides) {
  at::manual_seed(3);
  for (const auto& [m, k, n] : {std::array<int64_t, 3>{1, 7, 5},
                                {33, 64, 48},
                                {130, 200, 170},
                                {3, 4096, 512},
                                {1000, 3, 900}}) {
    const at::Tensor a = torch::randn({m, k}), b = torch::randn({n, k});
    ExpectProduct(MatmulNt(a, b), a, b);
    const at::Tensor a_columns = torch::randn({k, m}).t(), b_columns = torch::randn({k, n}).t();
    ExpectProduct(MatmulNt(a_columns, b_columns), a_columns, b_columns);
    const at::Tensor wide = torch::full({m + 4, n}, 7.0F);
    MatmulNtInto({{wide.narrow(0, 2, m), a, b}});
    ExpectProduct(wide.narrow(0, 2, m), a, b);
    EXPECT_TRUE((wide.narrow(0, 0, 2) == 7).all().item<bool>()) << "rows outside the view changed";
    EXPECT_TRUE((wide.narrow(0, m + 2, 2) == 7).all().item<bool>());
  }
}

TEST(Matmul, ProjectsWithTheGradientsOfALinearLayer) {
  at::manual_seed(4);
  for (const int64_t rows : {5, 400}) {
    const at::Tensor x = torch::randn({rows, 96}).requires_grad_();
    const at::Tensor weight = torch::randn({80, 96}).requires_grad_();
    const at::Tensor direction = torch::randn({rows, 80});
    (Project(x, weight) * direction).sum().backward();
    ExpectProduct(x.grad(), direction, weight.detach().t());
    ExpectProduct(weight.grad(), direction.t(), x.detach().t());
  }
}

TEST(Matmul, TakesAWeightInBf16AsTheNumbersThatItHolds) {
  at::manual_seed(6);
  const at::Tensor x = torch::randn({70, 96}).requires_grad_();
  const at::Tensor half = torch::randn({80, 96}).to(at::kBFloat16).requires_grad_();
  const at::Tensor wide = half.detach().to(at::kFloat).requires_grad_();
  const at::Tensor same_x = x.detach().clone().requires_grad_();
  const at::Tensor direction = torch::randn({70, 80});
  const at::Tensor out = Project(x, half), expected = Project(same_x, wide);
  EXPECT_TRUE(at::equal(out, expected));
  (out * direction).sum().backward();
  (expected * direction).sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), same_x.grad()));
  EXPECT_TRUE(at::equal(half.grad(), wide.grad().to(at::kBFloat16)));
}

TEST(Matmul, RepeatsItsBits) {
  at::manual_seed(5);
  const at::Tensor a = torch::randn({300, 256}), b = torch::randn({128, 256});
  const at::Tensor once = MatmulNt(a, b);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(at::equal(MatmulNt(a, b), once));
}

}  // namespace
}  // namespace cohort::policy
