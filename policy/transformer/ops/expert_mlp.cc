#include "policy/transformer/ops/expert_mlp.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "base/error.h"
#include "policy/transformer/ops/gated_unit.h"
#include "policy/transformer/ops/grouped_linear.h"
#include "policy/transformer/ops/saved_numerics.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class ExpertMlpFunction : public torch::autograd::Function<ExpertMlpFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weights, const at::Tensor& gate_up,
                            const at::Tensor& down,
                            const std::optional<at::Tensor>& gate_up_bias_in,
                            const std::optional<at::Tensor>& down_bias_in,
                            const std::optional<at::Tensor>& gate_up_scale_inv_in,
                            const std::optional<at::Tensor>& down_scale_inv_in, GatedUnit unit,
                            const Dispatch& dispatch) {
    const at::Tensor gate_up_scale_inv = gate_up_scale_inv_in.value_or(at::Tensor());
    const at::Tensor down_scale_inv = down_scale_inv_in.value_or(at::Tensor());
    const at::Tensor gate_up_bias = gate_up_bias_in.value_or(at::Tensor());
    const at::Tensor down_bias = down_bias_in.value_or(at::Tensor());
    const int64_t m = down.size(2);
    const at::Tensor hidden =
        GroupedLinear(x.index_select(0, dispatch.token_S), {gate_up, gate_up_scale_inv},
                      dispatch.offsets, gate_up_bias);
    const at::Tensor activated = at::empty({hidden.size(0), m}, hidden.options());
    ApplyGatedUnitInto(unit, hidden.narrow(1, 0, m), hidden.narrow(1, m, m), activated);
    const at::Tensor out =
        GroupedLinear(activated, {down, down_scale_inv}, dispatch.offsets, down_bias);
    const at::Tensor row_weights =
        weights.flatten().index_select(0, dispatch.slot_S).unsqueeze(1).to(x.scalar_type());
    context->save_for_backward({x, row_weights, gate_up, down, hidden, activated, dispatch.token_S,
                                dispatch.row_S, down_bias, gate_up_scale_inv, down_scale_inv});
    context->saved_data["offsets"] = dispatch.offsets;
    SaveNumerics(context);
    context->saved_data["unit"] = static_cast<int64_t>(unit);
    context->saved_data["weights_dtype"] = static_cast<int64_t>(weights.scalar_type());
    return SumWeightedSlots(out, weights, dispatch);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const NumericsScope numerics(SavedNumerics(context));
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &row_weights = saved[1], &gate_up = saved[2], &down = saved[3],
                     &hidden = saved[4], &activated = saved[5], &token_S = saved[6],
                     &row_S = saved[7], &down_bias = saved[8];
    const KeptMatrix gate_up_t = KeptMatrix(gate_up, saved[9]).Transposed();
    const KeptMatrix down_t = KeptMatrix(down, saved[10]).Transposed();
    const std::vector<int64_t> offsets = context->saved_data["offsets"].toIntVector();
    const auto unit = static_cast<GatedUnit>(context->saved_data["unit"].toInt());
    const auto weights_dtype =
        static_cast<at::ScalarType>(context->saved_data["weights_dtype"].toInt());
    const int64_t m = down.size(2);
    const int64_t per_token = x.size(0) == 0 ? 1 : row_S.size(0) / x.size(0);
    const bool has_bias = down_bias.defined();
    at::Tensor d_out = gradients[0].index_select(0, token_S);
    // The slot weight's gradient is <d_out, y> = <d_out W_down, a> + <d_out, bias>: y need not be
    // kept.
    constexpr auto kDgrad = kernels::Fp8Pass::kDgrad;
    at::Tensor d_activated = GroupedLinear(d_out, down_t, offsets, {}, kDgrad);
    at::Tensor d_row_weights = (d_activated * activated).sum(1);
    if (has_bias) {
      const HigherPrecisionScope higher;
      d_row_weights += GroupedLinear(d_out, down_bias.unsqueeze(1), offsets).squeeze(1);
    }
    const at::Tensor d_weights =
        d_row_weights.index_select(0, row_S).view({-1, per_token}).to(weights_dtype);
    d_out.mul_(row_weights);
    // Left out where low-rank adapters elsewhere froze the experts.
    at::Tensor d_gate_up, d_down, d_gate_up_bias, d_down_bias;
    if (context->needs_input_grad(3)) d_down = GroupedOuter(d_out, activated, offsets);
    if (has_bias && context->needs_input_grad(5)) d_down_bias = GroupedSum(d_out, offsets);
    d_activated.mul_(row_weights);
    at::Tensor d_hidden = at::empty_like(hidden);
    GatedUnitBackward(unit, d_activated, hidden.narrow(1, 0, m), hidden.narrow(1, m, m),
                      {d_hidden.narrow(1, 0, m), d_hidden.narrow(1, m, m)});
    if (context->needs_input_grad(2)) {
      d_gate_up = GroupedOuter(d_hidden, x.index_select(0, token_S), offsets);
    }
    if (has_bias && context->needs_input_grad(4)) d_gate_up_bias = GroupedSum(d_hidden, offsets);
    const at::Tensor d_x =
        SumSlots(GroupedLinear(d_hidden, gate_up_t, offsets, {}, kDgrad), row_S, per_token);
    return {d_x,         d_weights,    d_gate_up,    d_down,       d_gate_up_bias,
            d_down_bias, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor ExpertMlp(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                     const ExpertWeights& experts, const Dispatch& dispatch) {
  COHORT_CHECK(experts.gate_up_bias_E2m.defined() == experts.down_bias_ED.defined(),
               "an expert's projections have biases, all or none");
  return ExpertMlpFunction::apply(
      x_TD, weights_TK, experts.gate_up_E2mD, experts.down_EDm, IfDefined(experts.gate_up_bias_E2m),
      IfDefined(experts.down_bias_ED), IfDefined(experts.gate_up_scale_inv),
      IfDefined(experts.down_scale_inv), experts.unit, dispatch);
}

}  // namespace cohort::policy
