#include "policy/transformer/ops/grouped_linear.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "policy/transformer/ops/matmul.h"
#include "policy/transformer/ops/saved_numerics.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class GroupedProjectFunction : public torch::autograd::Function<GroupedProjectFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias_in,
                            const std::optional<at::Tensor>& scale_inv_in,
                            const std::vector<int64_t>& offsets) {
    const at::Tensor bias = bias_in.value_or(at::Tensor());
    const at::Tensor scale_inv = scale_inv_in.value_or(at::Tensor());
    context->save_for_backward({x, weight, scale_inv});
    context->saved_data["offsets"] = offsets;
    SaveNumerics(context);
    context->saved_data["has_bias"] = bias.defined();
    return GroupedLinear(x, {weight, scale_inv}, offsets, bias);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const NumericsScope numerics(SavedNumerics(context));
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const std::vector<int64_t> offsets = context->saved_data["offsets"].toIntVector();
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor d_x, d_weight, d_bias;
    if (context->needs_input_grad(0)) {
      const KeptMatrix transposed = KeptMatrix(weight, saved[2]).Transposed();
      d_x = GroupedLinear(gradient, transposed, offsets, {}, kernels::Fp8Pass::kDgrad);
    }
    if (context->needs_input_grad(1)) d_weight = GroupedOuter(gradient, x, offsets);
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2)) {
      d_bias = GroupedSum(gradient, offsets);
    }
    return {d_x, d_weight, d_bias, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor GroupedLinear(const at::Tensor& x_SI, const KeptMatrix& weight_EOI,
                         const std::vector<int64_t>& offsets, const at::Tensor& bias_EO,
                         kernels::Fp8Pass pass) {
  const at::Tensor out = at::empty({x_SI.size(0), weight_EOI.values.size(1)}, x_SI.options());
  std::vector<ProductInto> products;
  for (size_t e = 0; e + 1 < offsets.size(); ++e) {
    const int64_t rows = offsets[e + 1] - offsets[e];
    if (rows == 0) continue;
    products.push_back({out.narrow(0, offsets[e], rows), x_SI.narrow(0, offsets[e], rows),
                        weight_EOI[static_cast<int64_t>(e)], /*accumulate=*/false, pass});
  }
  MatmulNtInto(products);
  if (!bias_EO.defined()) return out;
  for (size_t e = 0; e + 1 < offsets.size(); ++e) {
    out.narrow(0, offsets[e], offsets[e + 1] - offsets[e]).add_(bias_EO[static_cast<int64_t>(e)]);
  }
  return out;
}

at::Tensor GroupedOuter(const at::Tensor& gradient_SO, const at::Tensor& x_SI,
                        const std::vector<int64_t>& offsets) {
  const auto experts = static_cast<int64_t>(offsets.size()) - 1;
  const at::Tensor out = at::empty({experts, gradient_SO.size(1), x_SI.size(1)}, x_SI.options());
  std::vector<ProductInto> products;
  for (int64_t e = 0; e < experts; ++e) {
    const int64_t first = offsets[static_cast<size_t>(e)];
    const int64_t rows = offsets[static_cast<size_t>(e) + 1] - first;
    products.push_back({out[e], gradient_SO.narrow(0, first, rows).t(),
                        x_SI.narrow(0, first, rows).t(),
                        /*accumulate=*/false, kernels::Fp8Pass::kWgrad});
  }
  MatmulNtInto(products);
  return out;
}

at::Tensor GroupedSum(const at::Tensor& gradient_SO, const std::vector<int64_t>& offsets) {
  // A product with ones has the fixed order of every product; its terms are no operands to round.
  const NumericsScope numerics(kernels::Numerics::kFloat32);
  const at::Tensor ones = at::ones({gradient_SO.size(0), 1}, gradient_SO.options());
  return GroupedOuter(gradient_SO, ones, offsets).squeeze(2);
}

at::Tensor GroupedProject(const at::Tensor& x_SI, const KeptMatrix& weight_EOI,
                          const std::vector<int64_t>& offsets, const at::Tensor& bias_EO) {
  return GroupedProjectFunction::apply(x_SI, weight_EOI.values, IfDefined(bias_EO),
                                       IfDefined(weight_EOI.scale_inv), offsets);
}

}  // namespace cohort::policy
