#include "policy/transformer/ops/matmul.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "base/error.h"
#include "kernels/cpu/dense_product.h"
#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"
#include "policy/transformer/ops/saved_numerics.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Of a frozen matrix in fewer bits than the activations.
kernels::StoredMatrix DescribeStored(const KeptMatrix& matrix) {
  const at::Tensor values = matrix.transposed ? matrix.values.t() : matrix.values;
  COHORT_CHECK(values.stride(1) == 1, "a matrix that is kept in fewer bits lies by rows");
  kernels::StoredMatrix stored{.data = values.const_data_ptr(),
                               .format = kernels::MatrixFormat::kBFloat16,
                               .row_stride = values.stride(0),
                               .transposed = matrix.transposed};
  if (values.scalar_type() == at::kBFloat16) return stored;
  const at::Tensor& scales = matrix.scale_inv;
  COHORT_CHECK(scales.defined() && scales.stride(1) == 1, "e4m3 has the scales of its blocks");
  stored.format = kernels::MatrixFormat::kE4m3;
  stored.scales = scales.const_data_ptr<float>();
  stored.scale_stride = scales.stride(0);
  const int64_t rows = values.size(0), tile = kernels::kFp8Tile;
  stored.part_rows = scales.size(0) == (rows + tile - 1) / tile ? rows : rows / 2;
  return stored;
}

bool IsStored(const KeptMatrix& matrix, const at::Tensor& a) {
  const at::ScalarType type = matrix.values.scalar_type();
  return a.is_cpu() && matrix.values.is_cpu() && a.scalar_type() == at::kFloat &&
         (type == at::kBFloat16 || type == at::kFloat8_e4m3fn);
}

kernels::DenseProduct Describe(const ProductInto& product) {
  const at::Tensor &out = product.out_MN, &a = product.a_MK, &b = product.b_NK.values;
  const bool fits = a.dim() == 2 && b.dim() == 2 && out.dim() == 2 && a.size(1) == b.size(1) &&
                    out.size(0) == a.size(0) && out.size(1) == b.size(0) &&
                    (out.size(1) <= 1 || out.stride(1) == 1);
  COHORT_CHECK(fits, "out [M, N] with contiguous rows, a [M, K], b [N, K]");
  kernels::DenseProduct dense{.a = a.const_data_ptr<float>(),
                              .a_row = a.stride(0),
                              .a_column = a.stride(1),
                              .out = out.mutable_data_ptr<float>(),
                              .out_row = out.stride(0),
                              .rows = a.size(0),
                              .depth = a.size(1),
                              .columns = b.size(0),
                              .accumulate = product.accumulate,
                              .numerics = ProductNumerics()};
  if (IsStored(product.b_NK, a)) {
    dense.stored_b = DescribeStored(product.b_NK);
    return dense;
  }
  dense.b = b.const_data_ptr<float>();
  dense.b_row = b.stride(0);
  dense.b_column = b.stride(1);
  return dense;
}

class ProjectFunction : public torch::autograd::Function<ProjectFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& scale_inv_in) {
    const at::Tensor scale_inv = scale_inv_in.value_or(at::Tensor());
    context->save_for_backward({x, weight, scale_inv});
    SaveNumerics(context);
    return MatmulNt(x, {weight, scale_inv});
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const NumericsScope numerics(SavedNumerics(context));
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    at::Tensor d_x, d_weight;
    if (context->needs_input_grad(0)) {
      const KeptMatrix transposed = KeptMatrix(weight, saved[2]).Transposed();
      d_x = MatmulNt(gradients[0], transposed, kernels::Fp8Pass::kDgrad);
    }
    if (context->needs_input_grad(1))
      d_weight = MatmulNt(gradients[0].t(), x.t(), kernels::Fp8Pass::kWgrad);
    return {d_x, d_weight, at::Tensor()};
  }
};

}  // namespace

void MatmulNtInto(const std::vector<ProductInto>& products) {
  const at::NoGradGuard no_grad;
  const bool is_fp8 = ProductNumerics() == kernels::Numerics::kFp8Blocks;
  std::vector<kernels::DenseProduct> dense;
  std::vector<kernels::Fp8Product> fp8;
  for (const ProductInto& product : products) {
    if (IsStored(product.b_NK, product.a_MK) ||
        BackendFor(product.out_MN, product.a_MK, product.b_NK.values) == Backend::kOwnCpu) {
      if (is_fp8) fp8.push_back({Describe(product), product.pass});
      if (!is_fp8) dense.push_back(Describe(product));
      continue;
    }
    COHORT_CHECK(!is_fp8, "products in FP8 are of fp32 tensors on the CPU");
    at::Tensor out = product.out_MN;
    at::addmm_out(out, out, product.a_MK, product.b_NK.values.t(), product.accumulate ? 1 : 0);
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

at::Tensor MatmulNt(const at::Tensor& a_MK, const KeptMatrix& b_NK, kernels::Fp8Pass pass) {
  const at::Tensor out = at::empty({a_MK.size(0), b_NK.values.size(0)}, a_MK.options());
  MatmulNtInto({{out, a_MK, b_NK, /*accumulate=*/false, pass}});
  return out;
}

at::Tensor Project(const at::Tensor& x_MK, const KeptMatrix& weight_NK) {
  return ProjectFunction::apply(x_MK, weight_NK.values, IfDefined(weight_NK.scale_inv));
}

}  // namespace cohort::policy
