// Which products are of the class kFp8Blocks, and with which operands.

#include <gtest/gtest.h>
#include <torch/types.h>

#include "kernels/cpu/fp8_product.h"
#include "policy/transformer/ops/expert_mlp.h"
#include "policy/transformer/ops/matmul.h"
#include "policy/transformer/ops/numerics.h"
#include "policy/weights/stored_tensors.h"
#include "tests/policy/golden_model.h"

namespace cohort::policy {
namespace {

constexpr kernels::Numerics kFp8 = kernels::Numerics::kFp8Blocks;

// a b^T as the kernel computes it.
at::Tensor InFp8(const at::Tensor& a_in, const at::Tensor& b_in, kernels::Fp8Pass pass) {
  const at::Tensor a = a_in.contiguous(), b = b_in.contiguous();
  const at::Tensor out = at::empty({a.size(0), b.size(0)});
  kernels::Fp8Product product;
  product.product = {.a = a.const_data_ptr<float>(),
                     .a_row = a.size(1),
                     .a_column = 1,
                     .b = b.const_data_ptr<float>(),
                     .b_row = b.size(1),
                     .b_column = 1,
                     .out = out.mutable_data_ptr<float>(),
                     .out_row = b.size(0),
                     .rows = a.size(0),
                     .depth = a.size(1),
                     .columns = b.size(0)};
  product.pass = pass;
  const at::Tensor scratch = at::empty({kernels::Fp8ScratchFloats({&product, 1})});
  kernels::MultiplyFp8({&product, 1}, kernels::BestOps(), scratch.mutable_data_ptr<float>(),
                       [](int64_t n, const auto& task) {
                         for (int64_t i = 0; i < n; ++i) task(i);
                       });
  return out;
}

TEST(Fp8Products, OfALinearLayerAreAllThreeInFp8AlsoWhenTheScopeHasEnded) {
  at::manual_seed(4);
  const at::Tensor x = torch::randn({300, 144}).requires_grad_();
  const at::Tensor weight = torch::randn({208, 144}).requires_grad_();
  const at::Tensor direction = torch::randn({300, 208}) * 1e-7;
  at::Tensor y;
  {
    const NumericsScope scope(kFp8);
    y = Project(x, weight);
  }
  (y * direction).sum().backward();
  const at::Tensor x0 = x.detach(), w0 = weight.detach();
  EXPECT_TRUE(at::equal(y, InFp8(x0, w0, kernels::Fp8Pass::kFprop)));
  EXPECT_TRUE(at::equal(x.grad(), InFp8(direction, w0.t(), kernels::Fp8Pass::kDgrad)));
  EXPECT_TRUE(at::equal(weight.grad(), InFp8(direction.t(), x0.t(), kernels::Fp8Pass::kWgrad)));
  EXPECT_LT(RelativeDifference(y, x0.mm(w0.t())), 0.05);
  EXPECT_LT(RelativeDifference(x.grad(), direction.mm(w0)), 0.05);
  EXPECT_LT(RelativeDifference(weight.grad(), direction.t().mm(x0)), 0.05);
}

TEST(Fp8Products, OfExpertsHaveTheGradientsOfFp32ButForTheRoundingOfE4m3) {
  at::manual_seed(5);
  const int64_t tokens = 200, experts = 4, width = 144, m = 80;
  const at::Tensor chosen = at::randint(experts, {tokens, 1}, at::kLong);
  const at::Tensor picked = at::cat({chosen, (chosen + 1) % experts}, 1);
  const Dispatch dispatch = SortByExpert(picked, experts);
  const auto gradients = [&](kernels::Numerics numerics) {
    at::manual_seed(6);
    std::vector<at::Tensor> leaves = {torch::randn({tokens, width}), torch::rand({tokens, 2}),
                                      torch::randn({experts, 2 * m, width}) / 12,
                                      torch::randn({experts, width, m}) / 9};
    for (at::Tensor& leaf : leaves) leaf.requires_grad_();
    const NumericsScope scope(numerics);
    const at::Tensor out =
        ExpertMlp(leaves[0], leaves[1], {leaves[2], leaves[3], {}, {}}, dispatch);
    (out * torch::randn_like(out)).sum().backward();
    std::vector<at::Tensor> found = {out.detach()};
    for (const at::Tensor& leaf : leaves) found.push_back(leaf.grad());
    return found;
  };
  const auto exact = gradients(kernels::Numerics::kFloat32), found = gradients(kFp8);
  for (size_t i = 0; i < exact.size(); ++i) {
    const double error =
        (found[i] - exact[i]).norm().item<double>() / exact[i].norm().item<double>();
    EXPECT_GT(error, 0.005) << i;
    EXPECT_LT(error, 0.12) << i;
  }
}

// Numbers of a matrix that change by less than a step of e4m3, but more than one of bf16, change
// what is computed in bf16 or fp32 alone.
TEST(Fp8Products, AreThoseOfTheMatricesThatDeepSeekPublishesInFp8) {
  const GoldenModel golden = ReadGoldenModel("tiny_fp8");
  const NumericsScope scope(kFp8);
  std::vector<std::vector<int32_t>> sequences = golden.sequences;
  for (auto& sequence : sequences) sequence[1] = 0;  // the embedding's first row
  GoldenModel changed = golden;
  changed.sequences = sequences;
  int in_fp8 = 0, higher = 0;
  for (const TensorSpec& spec : ExpectedTensors(golden.config)) {
    if (spec.shape.size() < 2) continue;
    const auto logprobs = [&](double factor) {
      WeightMap weights = golden.weights;
      at::Tensor weight = weights.at(spec.name).clone();
      at::Tensor slice = spec.shape.size() == 3 ? weight[0] : weight;
      const at::Tensor block = slice.slice(0, 0, 128).slice(1, 0, 128);
      const at::Tensor numbers = block.select(1, 0).slice(0, 0, 128, /*step=*/2);
      numbers.zero_();
      numbers.fill_(block.abs().max().to(at::kBFloat16).to(at::kFloat) * 0.5 * factor);
      weights[spec.name] = weight;
      return GoldenLogprobs(changed, golden.config, weights);
    };
    const bool same = at::equal(logprobs(1), logprobs(1 + 1.0 / 64));
    const bool stored_in_fp8 =
        StoredDtype(spec.name, spec.shape.size(), Dtype::kFloat8E4m3) == Dtype::kFloat8E4m3;
    EXPECT_EQ(same, stored_in_fp8) << spec.name;
    (stored_in_fp8 ? in_fp8 : higher) += 1;
  }
  EXPECT_GT(in_fp8, 10);
  EXPECT_GT(higher, 2);
}

}  // namespace
}  // namespace cohort::policy
