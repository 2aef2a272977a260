#include "policy/transformer/ops/sigmoid.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "kernels/cpu/ops.h"

namespace cohort::policy {
namespace {

TEST(Sigmoid, IsTheFormulaInFp64WithinFp32sRounding) {
  const at::Tensor x = torch::linspace(-87, 87, 1001).view({7, 143});
  const at::Tensor exact = 1 / (1 + (-x.to(at::kDouble)).exp());
  EXPECT_LT(((Sigmoid(x) - exact) / exact).abs().max().item<double>(), 1e-6);
}

TEST(Sigmoid, HasTheGradientOfLibTorchs) {
  at::manual_seed(3);
  const at::Tensor x = torch::randn({5, 21}) * 4, gradient = torch::randn({5, 21});
  const auto gradient_by = [&](auto&& function) {
    const at::Tensor leaf = x.clone().set_requires_grad(true);
    function(leaf).backward(gradient);
    return leaf.grad();
  };
  const at::Tensor own = gradient_by([](const at::Tensor& t) { return Sigmoid(t); });
  const at::Tensor expected = gradient_by([](const at::Tensor& t) { return t.sigmoid(); });
  EXPECT_TRUE(at::allclose(own, expected, 1e-5, 1e-7));
}

// A shared expert's gate is one number a row, an attention's many: the bits are the same.
TEST(Sigmoid, DoesNotDependOnTheShape) {
  at::manual_seed(4);
  const at::Tensor x = torch::randn({3, 37});
  const at::Tensor whole = Sigmoid(x);
  EXPECT_TRUE(at::equal(Sigmoid(x.reshape({-1, 1})).view({3, 37}), whole));
  EXPECT_TRUE(at::equal(Sigmoid(x.t()).t(), whole));
  EXPECT_EQ(Sigmoid(at::empty({0, 4})).numel(), 0);
}

}  // namespace
}  // namespace cohort::policy
