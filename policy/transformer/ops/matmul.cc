#include "policy/transformer/ops/matmul.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "kernels/cpu/dense_product.h"
#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"
#include "policy/transformer/ops/saved_numerics.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

kernels::DenseProduct Describe(const ProductInto& product) {
  const at::Tensor &out = product.out_MN, &a = product.a_MK, &b = product.b_NK;
  const bool fits = a.dim() == 2 && b.dim() == 2 && out.dim() == 2 && a.size(1) == b.size(1) &&
                    out.size(0) == a.size(0) && out.size(1) == b.size(0) &&
                    (out.size(1) <= 1 || out.stride(1) == 1);
  COHORT_CHECK(fits, "out [M, N] with contiguous rows, a [M, K], b [N, K]");
  return {.a = a.const_data_ptr<float>(),
          .a_row = a.stride(0),
          .a_column = a.stride(1),
          .b = b.const_data_ptr<float>(),
          .b_row = b.stride(0),
          .b_column = b.stride(1),
          .out = out.mutable_data_ptr<float>(),
          .out_row = out.stride(0),
          .rows = a.size(0),
          .depth = a.size(1),
          .columns = b.size(0),
          .accumulate = product.accumulate,
          .numerics = ProductNumerics()};
}

class ProjectFunction : public torch::autograd::Function<ProjectFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight) {
    context->save_for_backward({x, weight});
    SaveNumerics(context);
    return MatmulNt(x, weight);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const NumericsScope numerics(SavedNumerics(context));
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    at::Tensor d_x, d_weight;
    if (context->needs_input_grad(0))
      d_x = MatmulNt(gradients[0], weight.t(), kernels::Fp8Pass::kDgrad);
    if (context->needs_input_grad(1))
      d_weight = MatmulNt(gradients[0].t(), x.t(), kernels::Fp8Pass::kWgrad);
    return {d_x, d_weight};
  }
};

}  // namespace

void MatmulNtInto(const std::vector<ProductInto>& products) {
  const at::NoGradGuard no_grad;
  const bool is_fp8 = ProductNumerics() == kernels::Numerics::kFp8Blocks;
  std::vector<kernels::DenseProduct> dense;
  std::vector<kernels::Fp8Product> fp8;
  std::vector<at::Tensor> wide;
  for (ProductInto product : products) {
    // A matrix kept in bf16 beside fp32 activations: the same values, for as long as the product.
    const at::ScalarType dtype = product.a_MK.scalar_type();
    if (product.b_NK.scalar_type() != dtype) {
      product.b_NK = wide.emplace_back(product.b_NK.to(dtype));
    }
    if (BackendFor(product.out_MN, product.a_MK, product.b_NK) == Backend::kOwnCpu) {
      if (is_fp8) fp8.push_back({Describe(product), product.pass});
      if (!is_fp8) dense.push_back(Describe(product));
      continue;
    }
    COHORT_CHECK(!is_fp8, "products in FP8 are of fp32 tensors on the CPU");
    at::Tensor out = product.out_MN;
    at::addmm_out(out, out, product.a_MK, product.b_NK.t(), product.accumulate ? 1 : 0);
  }
  const auto scratch = [](int64_t floats) { return at::empty({floats}, at::kFloat); };
  if (!dense.empty()) {
    const at::Tensor floats = scratch(kernels::DenseScratchFloats(dense));
    kernels::MultiplyDense(dense, kernels::BestOps(), floats.mutable_data_ptr<float>(), RunTasks);
  }
  if (!fp8.empty()) {
    const at::Tensor floats = scratch(kernels::Fp8ScratchFloats(fp8));
    kernels::MultiplyFp8(fp8, kernels::BestOps(), floats.mutable_data_ptr<float>(), RunTasks);
  }
}

at::Tensor MatmulNt(const at::Tensor& a_MK, const at::Tensor& b_NK, kernels::Fp8Pass pass) {
  const at::Tensor out = at::empty({a_MK.size(0), b_NK.size(0)}, a_MK.options());
  MatmulNtInto({{out, a_MK, b_NK, /*accumulate=*/false, pass}});
  return out;
}

at::Tensor Project(const at::Tensor& x_MK, const at::Tensor& weight_NK) {
  return ProjectFunction::apply(x_MK, weight_NK);
}

}  // namespace cohort::policy
