#include "policy/transformer/ops/expert_dispatch.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "policy/tensor/parallel_tasks.h"
#include "policy/transformer/ops/backend.h"

namespace cohort::policy {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Each is the other's gradient.
class ToExpertsFunction : public torch::autograd::Function<ToExpertsFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const Dispatch& dispatch) {
    context->save_for_backward({dispatch.row_S});
    context->saved_data["per_token"] = x.size(0) == 0 ? 1 : dispatch.row_S.size(0) / x.size(0);
    return x.index_select(0, dispatch.token_S);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const int64_t per_token = context->saved_data["per_token"].toInt();
    return {SumSlots(gradients[0], context->get_saved_variables()[0], per_token), at::Tensor()};
  }
};

class FromExpertsFunction : public torch::autograd::Function<FromExpertsFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& sorted,
                            const Dispatch& dispatch, int64_t per_token) {
    context->save_for_backward({dispatch.token_S});
    return SumSlots(sorted, dispatch.row_S, per_token);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor token_S = context->get_saved_variables()[0];
    return {gradients[0].index_select(0, token_S), at::Tensor(), at::Tensor()};
  }
};

// A counting sort.
Dispatch SortOnCpu(const at::Tensor& experts_TK, int64_t num_experts) {
  const at::Tensor experts = experts_TK.contiguous();
  const int64_t* expert = experts.const_data_ptr<int64_t>();
  const int64_t slots = experts.numel();
  const int64_t per_token = experts.size(1);
  Dispatch out;
  out.offsets.assign(static_cast<size_t>(num_experts) + 1, 0);
  for (int64_t s = 0; s < slots; ++s) ++out.offsets[static_cast<size_t>(expert[s]) + 1];
  for (size_t e = 1; e < out.offsets.size(); ++e) out.offsets[e] += out.offsets[e - 1];
  std::vector<int64_t> next(out.offsets.begin(), out.offsets.end() - 1);
  out.slot_S = at::empty({slots}, experts.options());
  out.token_S = at::empty({slots}, experts.options());
  out.row_S = at::empty({slots}, experts.options());
  int64_t* slot_of = out.slot_S.mutable_data_ptr<int64_t>();
  int64_t* token_of = out.token_S.mutable_data_ptr<int64_t>();
  int64_t* row_of = out.row_S.mutable_data_ptr<int64_t>();
  for (int64_t s = 0; s < slots; ++s) {
    const int64_t row = next[static_cast<size_t>(expert[s])]++;
    slot_of[row] = s;
    token_of[row] = s / per_token;
    row_of[s] = row;
  }
  return out;
}

// On the tensors' own device. Only the offsets, E numbers, come to the CPU, where the products of
// the experts are started.
Dispatch SortByLibTorch(const at::Tensor& experts_TK, int64_t num_experts) {
  const at::Tensor experts_S = experts_TK.flatten();
  Dispatch out;
  out.slot_S = std::get<1>(at::sort(experts_S, /*stable=*/true, /*dim=*/0, /*descending=*/false));
  out.token_S = out.slot_S.floor_divide(experts_TK.size(1));
  out.row_S = at::empty_like(out.slot_S);
  out.row_S.scatter_(0, out.slot_S, at::arange(experts_S.size(0), out.slot_S.options()));
  const at::Tensor ends_E = at::bincount(experts_S, {}, num_experts).cumsum(0).to(at::kCPU);
  out.offsets.assign(1, 0);
  out.offsets.insert(out.offsets.end(), ends_E.const_data_ptr<int64_t>(),
                     ends_E.const_data_ptr<int64_t>() + num_experts);
  return out;
}

}  // namespace

Dispatch SortByExpert(const at::Tensor& experts_TK, int64_t num_experts) {
  switch (BackendFor(experts_TK)) {
    case Backend::kOwnCpu:
      return SortOnCpu(experts_TK, num_experts);
    case Backend::kLibTorch:
      return SortByLibTorch(experts_TK, num_experts);
  }
  return {};
}

at::Tensor SumSlots(const at::Tensor& sorted_SD, const at::Tensor& row_S, int64_t per_token) {
  at::Tensor slots = sorted_SD.index_select(0, row_S);
  if (per_token == 1) return slots;
  slots = slots.view({-1, per_token, slots.size(1)});
  at::Tensor out = slots.select(1, 0) + slots.select(1, 1);
  for (int64_t k = 2; k < per_token; ++k) out.add_(slots.select(1, k));
  return out;
}

at::Tensor SumWeightedSlots(const at::Tensor& sorted_SD, const at::Tensor& weights_TK,
                            const Dispatch& dispatch) {
  const int64_t per_token = weights_TK.size(1), width = sorted_SD.size(1);
  if (BackendFor(sorted_SD, weights_TK, dispatch.row_S) == Backend::kLibTorch) {
    const at::Tensor weights = weights_TK.flatten().index_select(0, dispatch.slot_S).unsqueeze(1);
    return SumSlots(sorted_SD * weights.to(sorted_SD.scalar_type()), dispatch.row_S, per_token);
  }
  const at::Tensor out = at::zeros({weights_TK.size(0), width}, sorted_SD.options());
  const at::Tensor sorted = sorted_SD.contiguous(), weights = weights_TK.contiguous();
  const float *rows = sorted.const_data_ptr<float>(), *w = weights.const_data_ptr<float>();
  const int64_t* row_of = dispatch.row_S.const_data_ptr<int64_t>();
  float* to = out.mutable_data_ptr<float>();
  ForEachRow(out.size(0), [&](int64_t t) {
    for (int64_t slot = t * per_token; slot < (t + 1) * per_token; ++slot) {
      kernels::BestOps().multiply_add(w[slot], rows + row_of[slot] * width, width, to + t * width);
    }
  });
  return out;
}

at::Tensor ToExperts(const at::Tensor& x_TD, const Dispatch& dispatch) {
  return ToExpertsFunction::apply(x_TD, dispatch);
}

at::Tensor FromExperts(const at::Tensor& sorted_SD, const Dispatch& dispatch, int64_t per_token) {
  return FromExpertsFunction::apply(sorted_SD, dispatch, per_token);
}

}  // namespace cohort::policy
