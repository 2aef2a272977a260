#include "rl/learner/adamw.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "policy/transformer/ops/adamw_step.h"

namespace cohort::rl {
namespace {

constexpr int64_t WholeBlocks(int64_t count) {
  return (count + kernels::kDrawBlock - 1) / kernels::kDrawBlock * kernels::kDrawBlock;
}

at::ScalarType MomentType(const AdamWOptions& options) {
  return options.bf16_moments ? at::kBFloat16 : at::kFloat;
}

// A run may go on with moments of the other dtype.
bool IsOfType(const at::Tensor& given, const std::string& name, const at::Tensor& own) {
  const at::ScalarType type = given.scalar_type();
  if (name.starts_with("exp_avg")) return type == at::kFloat || type == at::kBFloat16;
  return type == own.scalar_type();
}

}  // namespace

AdamW::AdamW(std::vector<NamedParameter> parameters, const AdamWOptions& options)
    : options_(options), step_(at::zeros({1}, at::kLong)) {
  int64_t size = 0;
  for (NamedParameter& given : parameters) {
    const at::ScalarType dtype = given.tensor.scalar_type();
    if (dtype != at::kFloat && dtype != at::kBFloat16) {
      throw Error(ErrorCode::kUsage, "the optimizer needs fp32 or bf16 parameters, '" + given.name +
                                         "' is " + at::toString(dtype));
    }
    at::Tensor master = given.tensor;
    if (dtype != at::kFloat && options.masters) {
      master = given.master.defined() ? given.master : given.tensor.detach().to(at::kFloat);
    }
    slots_.push_back({std::move(given.name), given.tensor, master, size});
    size += WholeBlocks(master.numel());
  }
  if (slots_.empty()) return;
  const at::Device device = slots_.front().master.device();
  if (options.bf16_moments && !policy::RoundsByChance(device)) {
    throw Error(ErrorCode::kUsage,
                "moments in bfloat16 need a CPU, the policy is on " + device.str(),
                "optimizer.moments: float32 works on every device");
  }
  const bool rounds = std::any_of(slots_.begin(), slots_.end(), std::mem_fn(&Slot::is_bf16));
  if (rounds && !policy::RoundsByChance(device)) {
    throw Error(ErrorCode::kUsage,
                "parameters without masters need a CPU, the policy is on " + device.str(),
                "optimizer.masters: true works on every device");
  }
  exp_avg_ = at::zeros({size}, at::TensorOptions(device).dtype(MomentType(options)));
  exp_avg_sq_ = exp_avg_.clone();
}

at::Tensor AdamW::Slot::Of(const at::Tensor& moments) const {
  return moments.narrow(0, first, master.numel()).view(master.sizes());
}

void AdamW::AccumulateGradients() {
  const at::NoGradGuard no_grad;
  for (Slot& slot : slots_) {
    if (!slot.has_own_master() || !slot.parameter.grad().defined()) continue;
    at::Tensor& sum = slot.master.mutable_grad();
    sum = sum.defined() ? sum.add_(slot.parameter.grad()) : slot.parameter.grad().to(at::kFloat);
    slot.parameter.mutable_grad().reset();
  }
  AddUpInBf16();
}

// Of parameters without a master. The first gradient becomes the sum.
void AdamW::AddUpInBf16() {
  std::map<uint64_t, std::vector<policy::GradientAddition>> by_addition;
  for (Slot& slot : slots_) {
    if (!slot.is_bf16() || !slot.parameter.grad().defined()) continue;
    const at::Tensor gradient = slot.parameter.grad().contiguous();
    slot.parameter.mutable_grad().reset();
    if (slot.sum.defined()) {
      by_addition[slot.additions++].push_back({slot.sum, gradient, slot.first});
    } else {
      slot.sum = gradient;
    }
  }
  for (const auto& [addition, gradients] : by_addition) {
    policy::AddGradients(gradients, static_cast<uint64_t>(steps()) + 1, addition);
  }
}

void AdamW::SumGradients(Ranks& ranks) {
  const at::NoGradGuard no_grad;
  std::vector<double> reached;  // on how many ranks
  for (const Slot& slot : slots_) reached.push_back(slot.gradient().defined() ? 1 : 0);
  ranks.SumValues(reached);
  std::vector<at::Tensor> gradients;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (reached[i] == 0) continue;
    at::Tensor& gradient = slots_[i].gradient();
    if (!gradient.defined()) gradient = at::zeros_like(slots_[i].master);
    gradients.push_back(gradient);
  }
  ranks.SumTensors(gradients);
}

OptimizerStep AdamW::Step(double learning_rate) {
  const at::NoGradGuard no_grad;
  std::vector<policy::AdamWOperands> operands;
  std::vector<at::Tensor> gradients;
  std::vector<const Slot*> stepped;
  for (const Slot& slot : slots_) {
    if (!slot.gradient().defined()) continue;
    const bool decays = slot.master.dim() >= 2 && !slot.name.ends_with("_bias");
    const auto moments = [&](const at::Tensor& all) {
      return all.narrow(0, slot.first, WholeBlocks(slot.master.numel()));
    };
    gradients.push_back(slot.gradient().contiguous());
    operands.push_back({slot.master, gradients.back(), moments(exp_avg_), moments(exp_avg_sq_),
                        slot.first, decays ? options_.weight_decay : 0});
    stepped.push_back(&slot);
  }
  if (stepped.empty()) return {0, "no parameter has a gradient"};

  OptimizerStep report;
  const std::vector<double> squares = policy::SquareSums(gradients);
  report.grad_norm = std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));
  if (!std::isfinite(report.grad_norm)) {
    const auto bad = std::find_if_not(squares.begin(), squares.end(),
                                      [](double sum) { return std::isfinite(sum); });
    COHORT_CHECK(bad != squares.end(), "every gradient is finite, their norm is not");
    report.skipped = "the gradient of " +
                     stepped[static_cast<size_t>(bad - squares.begin())]->name +
                     " is not finite; the step was skipped";
    DropGradients();
    return report;
  }
  step_ += 1;
  kernels::AdamWRule rule{.learning_rate = learning_rate,
                          .beta1 = options_.beta1,
                          .beta2 = options_.beta2,
                          .epsilon = options_.epsilon,
                          .step = static_cast<uint64_t>(steps()),
                          .bf16_moments = options_.bf16_moments};
  if (options_.max_grad_norm > 0) {  // guarded against 0 as torch.nn.utils.clip_grad_norm_ is
    rule.gradient_scale = std::min(1.0, options_.max_grad_norm / (report.grad_norm + 1e-6));
  }
  policy::StepAdamW(operands, rule);
  RoundMasters();
  DropGradients();
  return report;
}

void AdamW::RoundMasters() {
  const at::NoGradGuard no_grad;
  for (Slot& slot : slots_) {
    if (slot.has_own_master()) slot.parameter.copy_(slot.master);
  }
}

void AdamW::DropGradients() {
  for (Slot& slot : slots_) {
    slot.gradient().reset();
    slot.parameter.mutable_grad().reset();  // of a backward pass that did not end
    slot.additions = 0;
  }
}

int64_t AdamW::steps() const { return step_.item<int64_t>(); }

void AdamW::Reset() {
  step_.zero_();
  for (const at::Tensor& moments : {exp_avg_, exp_avg_sq_}) {
    if (moments.defined()) moments.zero_();
  }
  DropGradients();
}

std::map<std::string, at::Tensor> AdamW::State() const {
  std::map<std::string, at::Tensor> state{{"step", step_}};
  for (const Slot& slot : slots_) {
    state.emplace("exp_avg." + slot.name, slot.Of(exp_avg_));
    state.emplace("exp_avg_sq." + slot.name, slot.Of(exp_avg_sq_));
    if (slot.has_own_master()) state.emplace("master." + slot.name, slot.master);
  }
  return state;
}

void AdamW::LoadState(const std::map<std::string, at::Tensor>& state) {
  const at::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> own = State();
  const auto refuse = [](const std::string& name, const std::string& what) {
    throw Error(ErrorCode::kUsage, "optimizer state: '" + name + "' " + what,
                "the state belongs to a model of another shape");
  };
  for (const auto& [name, tensor] : own) {
    const auto found = state.find(name);
    if (found == state.end()) refuse(name, "is missing");
    if (found->second.sizes() != tensor.sizes() || !IsOfType(found->second, name, tensor)) {
      refuse(name, "has another shape or dtype");
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!own.contains(name)) refuse(name, "is unexpected");
  }
  for (const auto& [name, tensor] : own) at::Tensor(tensor).copy_(state.at(name));
  RoundMasters();
}

}  // namespace cohort::rl
