#include "policy/expert_mlp.h"

#include <torch/torch.h>

#include "policy/feed_forward.h"
#include "policy/matmul.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// out[rows of e] = x[rows of e] . weight[e]^T
at::Tensor GroupedLinear(const at::Tensor& x, const at::Tensor& weight_Eoi,
                         const std::vector<int64_t>& offsets) {
  const at::Tensor out = at::empty({x.size(0), weight_Eoi.size(1)}, x.options());
  std::vector<ProductInto> products;
  for (size_t e = 0; e + 1 < offsets.size(); ++e) {
    const int64_t rows = offsets[e + 1] - offsets[e];
    if (rows == 0) continue;
    products.push_back({out.narrow(0, offsets[e], rows), x.narrow(0, offsets[e], rows),
                        weight_Eoi[static_cast<int64_t>(e)]});
  }
  MatmulNtInto(products);
  return out;
}

// weight gradient of GroupedLinear: d_weight[e] = gradient[rows of e]^T x[rows of e]
at::Tensor GroupedOuter(const at::Tensor& gradient, const at::Tensor& x,
                        const std::vector<int64_t>& offsets) {
  const auto experts = static_cast<int64_t>(offsets.size()) - 1;
  const at::Tensor out = at::empty({experts, gradient.size(1), x.size(1)}, x.options());
  std::vector<ProductInto> products;
  for (int64_t e = 0; e < experts; ++e) {
    const int64_t first = offsets[static_cast<size_t>(e)];
    const int64_t rows = offsets[static_cast<size_t>(e) + 1] - first;
    products.push_back({out[e], gradient.narrow(0, first, rows).t(), x.narrow(0, first, rows).t()});
  }
  MatmulNtInto(products);
  return out;
}

// Rows of K slots per token, summed in slot order: [S, D] sorted by expert -> [T, D].
at::Tensor Combine(const at::Tensor& sorted_SD, const at::Tensor& row_S, int64_t per_token) {
  at::Tensor slots = sorted_SD.index_select(0, row_S);
  if (per_token == 1) return slots;
  slots = slots.view({-1, per_token, slots.size(1)});
  at::Tensor out = slots.select(1, 0) + slots.select(1, 1);
  for (int64_t k = 2; k < per_token; ++k) out.add_(slots.select(1, k));
  return out;
}

class ExpertMlpFunction : public torch::autograd::Function<ExpertMlpFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weights, const at::Tensor& gate_up,
                            const at::Tensor& down, const Dispatch& dispatch) {
    const int64_t m = down.size(2);
    const at::Tensor hidden =
        GroupedLinear(x.index_select(0, dispatch.token_S), gate_up, dispatch.offsets);
    const at::Tensor activated = at::silu(hidden.narrow(1, 0, m)).mul_(hidden.narrow(1, m, m));
    at::Tensor out = GroupedLinear(activated, down, dispatch.offsets);
    const at::Tensor row_weights =
        weights.flatten().index_select(0, dispatch.slot_S).unsqueeze(1).to(x.scalar_type());
    out.mul_(row_weights);
    context->save_for_backward(
        {x, row_weights, gate_up, down, hidden, activated, dispatch.token_S, dispatch.row_S});
    context->saved_data["offsets"] = dispatch.offsets;
    context->saved_data["weights_dtype"] = static_cast<int64_t>(weights.scalar_type());
    return Combine(out, dispatch.row_S, weights.size(1));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &row_weights = saved[1], &gate_up = saved[2], &down = saved[3],
                     &hidden = saved[4], &activated = saved[5], &token_S = saved[6],
                     &row_S = saved[7];
    const std::vector<int64_t> offsets = context->saved_data["offsets"].toIntVector();
    const auto weights_dtype =
        static_cast<at::ScalarType>(context->saved_data["weights_dtype"].toInt());
    const int64_t m = down.size(2);
    const int64_t per_token = x.size(0) == 0 ? 1 : row_S.size(0) / x.size(0);
    at::Tensor d_out = gradients[0].index_select(0, token_S);
    // The slot weight's gradient is <d_out, y> = <d_out W_down, a>: y need not be kept.
    at::Tensor d_activated = GroupedLinear(d_out, down.transpose(1, 2), offsets);
    const at::Tensor d_weights = (d_activated * activated)
                                     .sum(1)
                                     .index_select(0, row_S)
                                     .view({-1, per_token})
                                     .to(weights_dtype);
    d_out.mul_(row_weights);
    const at::Tensor d_down = GroupedOuter(d_out, activated, offsets);
    d_activated.mul_(row_weights);
    at::Tensor d_hidden = at::empty_like(hidden);
    SwiGluBackward(d_activated, hidden.narrow(1, 0, m), hidden.narrow(1, m, m),
                   d_hidden.narrow(1, 0, m), d_hidden.narrow(1, m, m));
    const at::Tensor d_gate_up = GroupedOuter(d_hidden, x.index_select(0, token_S), offsets);
    const at::Tensor d_x =
        Combine(GroupedLinear(d_hidden, gate_up.transpose(1, 2), offsets), row_S, per_token);
    return {d_x, d_weights, d_gate_up, d_down, at::Tensor()};
  }
};

}  // namespace

Dispatch SortByExpert(const at::Tensor& experts_TK, int64_t num_experts) {
  // A counting sort on the CPU: the offsets are needed there in any case.
  const at::Tensor experts = experts_TK.to(at::kCPU).contiguous();
  const int64_t* expert = experts.const_data_ptr<int64_t>();
  const int64_t slots = experts.numel();
  const int64_t per_token = experts.size(1);
  Dispatch out;
  out.offsets.assign(static_cast<size_t>(num_experts) + 1, 0);
  for (int64_t s = 0; s < slots; ++s) ++out.offsets[static_cast<size_t>(expert[s]) + 1];
  for (size_t e = 1; e < out.offsets.size(); ++e) out.offsets[e] += out.offsets[e - 1];
  std::vector<int64_t> next(out.offsets.begin(), out.offsets.end() - 1);
  out.slot_S = at::empty({slots}, at::kLong);
  out.token_S = at::empty({slots}, at::kLong);
  out.row_S = at::empty({slots}, at::kLong);
  int64_t* slot_of = out.slot_S.mutable_data_ptr<int64_t>();
  int64_t* token_of = out.token_S.mutable_data_ptr<int64_t>();
  int64_t* row_of = out.row_S.mutable_data_ptr<int64_t>();
  for (int64_t s = 0; s < slots; ++s) {
    const int64_t row = next[static_cast<size_t>(expert[s])]++;
    slot_of[row] = s;
    token_of[row] = s / per_token;
    row_of[s] = row;
  }
  const at::Device device = experts_TK.device();
  out.slot_S = out.slot_S.to(device);
  out.token_S = out.token_S.to(device);
  out.row_S = out.row_S.to(device);
  return out;
}

at::Tensor ExpertMlp(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                     const at::Tensor& gate_up_E2mD, const at::Tensor& down_EDm,
                     const Dispatch& dispatch) {
  return ExpertMlpFunction::apply(x_TD, weights_TK, gate_up_E2mD, down_EDm, dispatch);
}

}  // namespace cohort::policy
