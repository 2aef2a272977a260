#include "policy/transformer/moe.h"

#include <cmath>

#include "policy/transformer/expert_mlp.h"

namespace cohort::policy {

namespace {

// topk promises nothing about ties; a stable sort does.
at::Tensor LargestFirst(const at::Tensor& values, int64_t count) {
  return std::get<1>(at::sort(values, /*stable=*/true, -1, /*descending=*/true))
      .narrow(-1, 0, count);
}

// -inf, not 0, for the experts of other groups: a biased score may be negative.
at::Tensor KeepBestGroups(const at::Tensor& choice_TE, const MoeConfig& config) {
  const at::Tensor grouped = choice_TE.view({choice_TE.size(0), config.num_groups, -1});
  const at::Tensor rank_TG = config.group_score == GroupScore::kMax
                                 ? grouped.amax(-1)
                                 : std::get<0>(grouped.topk(2)).sum(-1);
  const at::Tensor left_out_TG = at::ones_like(rank_TG, at::kBool)
                                     .scatter_(1, LargestFirst(rank_TG, config.groups_per_token),
                                               /*value=*/false);
  return grouped.masked_fill(left_out_TG.unsqueeze(-1), -INFINITY).view(choice_TE.sizes());
}

}  // namespace

Routing Route(const at::Tensor& logits_TE, const at::Tensor& bias_E, const MoeConfig& config) {
  const at::Tensor scores =
      config.score == GateScore::kSigmoid ? logits_TE.sigmoid() : logits_TE.softmax(-1);
  Routing out;
  {
    const at::NoGradGuard no_grad;
    at::Tensor choice_TE = bias_E.defined() ? scores + bias_E : scores;
    if (config.num_groups > 1) choice_TE = KeepBestGroups(choice_TE, config);
    out.experts_TK = LargestFirst(choice_TE, config.experts_per_token).contiguous();
  }
  at::Tensor weights = scores.gather(1, out.experts_TK);
  if (config.normalize_weights) weights = weights / (weights.sum(1, true) + 1e-20);
  out.weights_TK = config.routed_scaling == 1.0 ? weights : weights * config.routed_scaling;
  return out;
}

GateImpl::GateImpl(const ModelConfig& config) : config_(config.moe) {
  weight = register_parameter("weight", torch::empty({config_.num_experts, config.width}));
  if (!config_.selection_bias) return;
  e_score_correction_bias =
      register_buffer("e_score_correction_bias", torch::zeros({config_.num_experts}));
}

Routing GateImpl::forward(const at::Tensor& x_TD) {
  const at::Tensor logits = at::linear(x_TD.to(at::kFloat), weight.to(at::kFloat));
  const at::Tensor& bias = e_score_correction_bias;
  return Route(logits, bias.defined() ? bias.to(at::kFloat) : bias, config_);
}

void GateImpl::to(torch::Dtype dtype, bool non_blocking) {
  const at::Tensor bias =
      e_score_correction_bias.defined() ? e_score_correction_bias.detach() : at::Tensor();
  Module::to(dtype, non_blocking);
  if (bias.defined()) e_score_correction_bias.set_data(bias);
}

ExpertsImpl::ExpertsImpl(const ModelConfig& config) {
  const MoeConfig& moe = config.moe;
  gate_up_proj = register_parameter(
      "gate_up_proj", torch::empty({moe.num_experts, 2 * moe.expert_width, config.width}));
  down_proj = register_parameter("down_proj",
                                 torch::empty({moe.num_experts, config.width, moe.expert_width}));
}

at::Tensor ExpertsImpl::forward(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                                const Dispatch& dispatch) {
  if (adapters_.empty()) return ExpertMlp(x_TD, weights_TK, gate_up_proj, down_proj, dispatch);
  return AdaptedExpertMlp(x_TD, weights_TK, gate_up_proj, down_proj, adapters_, dispatch);
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
  adapter(projection) = register_module(
      name, ExpertAdapter(experts, down ? m : width, down ? width : m, rank, scale));
}

MixtureOfExpertsImpl::MixtureOfExpertsImpl(const ModelConfig& config) {
  const MoeConfig& moe = config.moe;
  gate_ = register_module("gate", Gate(config));
  experts_ = register_module("experts", Experts(config));
  if (moe.num_shared_experts > 0) {
    shared_experts_ = register_module(
        "shared_experts", FeedForward(config.width, moe.num_shared_experts * moe.expert_width));
  }
  load_E_ = at::zeros({moe.num_experts}, at::kDouble);
}

at::Tensor MixtureOfExpertsImpl::forward(const at::Tensor& x_TD) {
  const Routing routing = gate_(x_TD);
  const Dispatch dispatch = SortByExpert(routing.experts_TK, load_E_.size(0));
  if (is_training()) {
    double* load = load_E_.mutable_data_ptr<double>();
    for (size_t e = 0; e + 1 < dispatch.offsets.size(); ++e) {
      load[e] += static_cast<double>(dispatch.offsets[e + 1] - dispatch.offsets[e]);
    }
  }
  const at::Tensor routed = experts_(x_TD, routing.weights_TK, dispatch);
  return shared_experts_.is_empty() ? routed : routed + shared_experts_(x_TD);
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
