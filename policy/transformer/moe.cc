#include "policy/transformer/moe.h"

#include "base/error.h"
#include "policy/transformer/ops/expert_mlp.h"
#include "policy/transformer/ops/matmul.h"
#include "policy/transformer/ops/numerics.h"
#include "policy/transformer/ops/sigmoid.h"
#include "policy/transformer/recompute.h"

namespace cohort::policy {

GateImpl::GateImpl(const ModelConfig& config, const at::TensorOptions& options)
    : config_(config.moe) {
  weight = register_parameter("weight", at::empty({config_.num_experts, config.width}, options));
  if (config_.router_bias) {
    bias = register_parameter("bias", at::empty({config_.num_experts}, options));
  }
  if (!config_.selection_bias) return;
  e_score_correction_bias = register_buffer(
      "e_score_correction_bias", at::zeros({config_.num_experts}, options.dtype(at::kFloat)));
}

Routing GateImpl::forward(const at::Tensor& x_TD, const at::Tensor& given_TK) {
  const auto wide = [](const at::Tensor& x) { return x.defined() ? x.to(at::kFloat) : x; };
  const NumericsScope numerics(kernels::Numerics::kFloat32);
  const at::Tensor logits_TE = Project(wide(x_TD), wide(weight));
  const at::Tensor biased_TE = bias.defined() ? logits_TE + wide(bias) : logits_TE;
  if (!given_TK.defined()) return Route(biased_TE, wide(e_score_correction_bias), config_);
  COHORT_CHECK(given_TK.dim() == 2 && given_TK.size(0) == x_TD.size(0) &&
                   given_TK.size(1) == config_.experts_per_token,
               "the experts given to a gate are [T, K]");
  if (is_training() && !IsRecomputing()) {
    const at::NoGradGuard no_grad;
    const Routing own = Route(biased_TE.detach(), wide(e_score_correction_bias), config_);
    given_tokens_.count += given_TK.size(0);
    given_tokens_.differing += CountDifferentlyRouted(own.experts_TK, given_TK);
  }
  return RouteTo(given_TK, biased_TE, config_);
}

void GateImpl::to(at::Device device, at::ScalarType dtype, bool non_blocking) {
  to(device, non_blocking);
  to(dtype, non_blocking);
}

void GateImpl::to(at::ScalarType dtype, bool non_blocking) {
  const at::Tensor kept =
      e_score_correction_bias.defined() ? e_score_correction_bias.detach() : at::Tensor();
  Module::to(dtype, non_blocking);
  if (kept.defined()) e_score_correction_bias.set_data(kept);
}

ExpertsImpl::ExpertsImpl(const ModelConfig& config, const at::TensorOptions& options)
    : unit_(config.gated_unit) {
  const MoeConfig& moe = config.moe;
  gate_up_proj = register_parameter(
      "gate_up_proj", at::empty({moe.num_experts, 2 * moe.expert_width, config.width}, options));
  down_proj = register_parameter(
      "down_proj", at::empty({moe.num_experts, config.width, moe.expert_width}, options));
  if (!moe.expert_bias) return;
  gate_up_proj_bias = register_parameter(
      "gate_up_proj_bias", at::empty({moe.num_experts, 2 * moe.expert_width}, options));
  down_proj_bias =
      register_parameter("down_proj_bias", at::empty({moe.num_experts, config.width}, options));
}

at::Tensor ExpertsImpl::forward(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                                const Dispatch& dispatch) {
  const ExpertWeights experts{gate_up_proj,       down_proj, gate_up_proj_bias,
                              down_proj_bias,     unit_,     gate_up_proj_scale_inv,
                              down_proj_scale_inv};
  if (!lora_on_ || adapters_.empty()) return ExpertMlp(x_TD, weights_TK, experts, dispatch);
  return AdaptedExpertMlp(x_TD, weights_TK, experts, adapters_, dispatch);
}

ExpertAdapter& ExpertsImpl::adapter(Projection projection) {
  return projection == Projection::kGate ? adapters_.gate
         : projection == Projection::kUp ? adapters_.up
                                         : adapters_.down;
}

void ExpertsImpl::AddLora(Projection projection, int64_t rank, double scale) {
  const int64_t experts = down_proj.size(0), width = down_proj.size(1), m = down_proj.size(2);
  const bool down = projection == Projection::kDown;
  const char* name = down ? "down_proj" : projection == Projection::kUp ? "up_proj" : "gate_proj";
  adapter(projection) =
      register_module(name, ExpertAdapter(experts, down ? m : width, down ? width : m, rank, scale,
                                          down_proj.options().requires_grad(false)));
}

MixtureOfExpertsImpl::MixtureOfExpertsImpl(const ModelConfig& config,
                                           const at::TensorOptions& options) {
  const MoeConfig& moe = config.moe;
  gate_ = register_module("gate", Gate(config, options));
  experts_ = register_module("experts", Experts(config, options));
  if (moe.shared_width > 0) {
    shared_experts_ =
        register_module("shared_experts", FeedForward(config, moe.shared_width, options));
  }
  if (moe.shared_gate) {
    shared_expert_gate_ = register_module("shared_expert_gate", Linear(config.width, 1, options));
  }
  load_E_ = at::zeros({moe.num_experts}, at::kDouble);
}

at::Tensor MixtureOfExpertsImpl::forward(const at::Tensor& x_TD) {
  const Routing routing = gate_(x_TD, replayed_TK_);
  const Dispatch dispatch = SortByExpert(routing.experts_TK, load_E_.size(0));
  const bool counts = is_training() && !IsRecomputing();
  if (counts && counted_rows_.defined()) {
    const at::Tensor counted = routing.experts_TK.index_select(0, counted_rows_).flatten();
    load_E_ += at::bincount(counted, {}, load_E_.size(0)).to(load_E_.options());
  } else if (counts) {
    double* load = load_E_.mutable_data_ptr<double>();
    for (size_t e = 0; e + 1 < dispatch.offsets.size(); ++e) {
      load[e] += static_cast<double>(dispatch.offsets[e + 1] - dispatch.offsets[e]);
    }
  }
  const at::Tensor routed = experts_(x_TD, routing.weights_TK, dispatch);
  if (shared_experts_.is_empty()) return routed;
  const at::Tensor shared = shared_experts_(x_TD);
  if (shared_expert_gate_.is_empty()) return routed + shared;
  const NumericsScope numerics(kernels::Numerics::kFloat32);  // a gate, as the router is
  return routed + Sigmoid(shared_expert_gate_(x_TD)) * shared;
}

at::Tensor MixtureOfExpertsImpl::TakeLoad() {
  const at::Tensor load = load_E_;
  load_E_ = at::zeros_like(load);
  return load;
}

void MixtureOfExpertsImpl::UpdateSelectionBias(const at::Tensor& load_E, double rate) {
  const at::NoGradGuard no_grad;
  at::Tensor& bias = gate_->e_score_correction_bias;
  if (!bias.defined()) return;
  bias.add_((load_E.mean() - load_E).sign().to(bias.options()), rate);
}

}  // namespace cohort::policy
