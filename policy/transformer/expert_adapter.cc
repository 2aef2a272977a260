#include "policy/transformer/expert_adapter.h"

#include <utility>

#include "policy/transformer/ops/gated_unit.h"
#include "policy/transformer/ops/grouped_linear.h"
#include "policy/transformer/ops/numerics.h"

namespace cohort::policy {
namespace {

at::Tensor Added(ExpertAdapter& adapter, const at::Tensor& y, const at::Tensor& x,
                 const Dispatch& dispatch) {
  return adapter.is_empty() ? y : adapter->AddTo(y, x, dispatch);
}

}  // namespace

ExpertAdapterImpl::ExpertAdapterImpl(int64_t experts, int64_t in_width, int64_t out_width,
                                     int64_t rank, double scale, const at::TensorOptions& options)
    : lora_A(register_parameter("lora_A", at::empty({experts, rank, in_width}, options))),
      lora_B(register_parameter("lora_B", at::empty({experts, out_width, rank}, options))),
      scale(scale) {}

void ExpertAdapterImpl::DropLoraInputs(std::shared_ptr<const DropoutDraws> draws, uint32_t layer) {
  draws_ = std::move(draws);
  layer_ = layer;
}

at::Tensor ExpertAdapterImpl::AddTo(const at::Tensor& y_SO, const at::Tensor& x_SI,
                                    const Dispatch& dispatch) {
  const HigherPrecisionScope higher;
  at::Tensor x = x_SI;
  if (draws_ != nullptr && is_training()) {
    const at::Tensor token_S = dispatch.token_S.to(at::kCPU);
    x = DropOut(x_SI, *draws_, draws_->keys_T.index_select(0, token_S), layer_);
  }
  const at::Tensor low = GroupedProject(x, lora_A, dispatch.offsets);
  return y_SO + scale * GroupedProject(low, lora_B, dispatch.offsets);
}

at::Tensor AdaptedExpertMlp(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                            const ExpertWeights& experts, ExpertAdapters adapters,
                            const Dispatch& dispatch) {
  const int64_t m = experts.down_EDm.size(2);
  const at::Tensor x = ToExperts(x_TD, dispatch);
  const at::Tensor hidden = GroupedProject(x, {experts.gate_up_E2mD, experts.gate_up_scale_inv},
                                           dispatch.offsets, experts.gate_up_bias_E2m);
  const at::Tensor gate = Added(adapters.gate, hidden.narrow(1, 0, m), x, dispatch);
  const at::Tensor up = Added(adapters.up, hidden.narrow(1, m, m), x, dispatch);
  const at::Tensor activated = ApplyGatedUnit(experts.unit, gate, up);
  const at::Tensor down = GroupedProject(activated, {experts.down_EDm, experts.down_scale_inv},
                                         dispatch.offsets, experts.down_bias_ED);
  const at::Tensor out = Added(adapters.down, down, activated, dispatch);
  const at::Tensor row_weights =
      weights_TK.flatten().index_select(0, dispatch.slot_S).unsqueeze(1).to(x.scalar_type());
  return FromExperts(out * row_weights, dispatch, weights_TK.size(1));
}

}  // namespace cohort::policy
