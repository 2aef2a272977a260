#include "rl/learner/adamw.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"

namespace cohort::rl {
namespace {

// fp32 sums over more elements than this lose digits (4e-4 of the norm at 28 million).
constexpr int64_t kNormChunk = int64_t{1} << 20;

// 2-norms of the chunks of all gradients; chunk i belongs to names[i].
struct ChunkNorms {
  std::vector<double> norms;
  std::vector<const std::string*> names;

  double Total() const {
    double sum = 0;
    for (const double norm : norms) sum += norm * norm;
    return std::sqrt(sum);
  }
  const std::string& FirstNonFinite() const {
    const auto bad = std::find_if_not(norms.begin(), norms.end(),
                                      [](double norm) { return std::isfinite(norm); });
    COHORT_CHECK(bad != norms.end(), "every gradient is finite, their norm is not");
    return *names[static_cast<size_t>(bad - norms.begin())];
  }
};

struct NamedGradient {
  const std::string* name;
  at::Tensor tensor;
};

ChunkNorms MeasureGradients(const std::vector<NamedGradient>& gradients) {
  ChunkNorms measured;
  std::vector<at::Tensor> chunks;
  for (const NamedGradient& gradient : gradients) {
    for (const at::Tensor& chunk : gradient.tensor.reshape({-1}).split(kNormChunk)) {
      chunks.push_back(chunk);
      measured.names.push_back(gradient.name);
    }
  }
  const at::Tensor norms = at::stack(at::_foreach_norm(chunks, 2)).to(at::kCPU, at::kDouble);
  const double* data = norms.const_data_ptr<double>();
  measured.norms.assign(data, data + norms.numel());
  return measured;
}

}  // namespace

AdamW::AdamW(std::vector<NamedParameter> parameters, const AdamWOptions& options)
    : options_(options), step_(at::zeros({1}, at::kLong)) {
  for (NamedParameter& given : parameters) {
    const at::ScalarType dtype = given.tensor.scalar_type();
    if (dtype != at::kFloat && dtype != at::kBFloat16) {
      throw Error(ErrorCode::kUsage, "the optimizer needs fp32 or bf16 parameters, '" + given.name +
                                         "' is " + at::toString(dtype));
    }
    at::Tensor master = given.tensor;
    if (dtype != at::kFloat) {
      master = given.master.defined() ? given.master : given.tensor.detach().to(at::kFloat);
    }
    const at::Tensor zeros = at::zeros_like(master, at::MemoryFormat::Contiguous);
    slots_.push_back({std::move(given.name), given.tensor, master, zeros, zeros.clone()});
  }
}

void AdamW::AccumulateGradients() {
  const at::NoGradGuard no_grad;
  for (Slot& slot : slots_) {
    if (!slot.has_own_master() || !slot.parameter.grad().defined()) continue;
    at::Tensor& sum = slot.master.mutable_grad();
    sum = sum.defined() ? sum.add_(slot.parameter.grad()) : slot.parameter.grad().to(at::kFloat);
    slot.parameter.mutable_grad().reset();
  }
}

void AdamW::SumGradients(Ranks& ranks) {
  const at::NoGradGuard no_grad;
  std::vector<double> reached;  // on how many ranks
  for (const Slot& slot : slots_) reached.push_back(slot.master.grad().defined() ? 1 : 0);
  ranks.SumValues(reached);
  std::vector<at::Tensor> gradients;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (reached[i] == 0) continue;
    at::Tensor& gradient = slots_[i].master.mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(slots_[i].master);
    gradients.push_back(gradient);
  }
  ranks.SumTensors(gradients);
}

OptimizerStep AdamW::Step(double learning_rate) {
  const at::NoGradGuard no_grad;
  OptimizerStep report;
  std::vector<NamedGradient> with_grad;
  for (const Slot& slot : slots_) {
    if (slot.master.grad().defined()) with_grad.push_back({&slot.name, slot.master.grad()});
  }
  if (with_grad.empty()) return {0, "no parameter has a gradient"};

  const ChunkNorms measured = MeasureGradients(with_grad);
  report.grad_norm = measured.Total();
  if (!std::isfinite(report.grad_norm)) {
    report.skipped =
        "the gradient of " + measured.FirstNonFinite() + " is not finite; the step was skipped";
    DropGradients();
    return report;
  }
  // The same guard against a division by 0 as torch.nn.utils.clip_grad_norm_.
  const double excess =
      options_.max_grad_norm > 0 ? (report.grad_norm + 1e-6) / options_.max_grad_norm : 1.0;
  step_ += 1;
  Apply(learning_rate, options_.weight_decay, /*matrices=*/true, std::max(1.0, excess));
  Apply(learning_rate, 0, /*matrices=*/false, std::max(1.0, excess));
  RoundMasters();
  DropGradients();
  return report;
}

void AdamW::Apply(double learning_rate, double weight_decay, bool matrices, double grad_divisor) {
  std::vector<at::Tensor> masters, grads, exp_avgs, exp_avg_sqs, steps;
  at::Tensor device_step;
  for (const Slot& slot : slots_) {
    const at::Tensor& master = slot.master;
    const bool matrix = master.dim() >= 2 && !slot.name.ends_with("_bias");
    if (matrix != matrices || !master.grad().defined()) continue;
    if (!device_step.defined()) device_step = step_.to(master.device(), at::kFloat).squeeze(0);
    masters.push_back(master);
    grads.push_back(master.grad().contiguous());
    exp_avgs.push_back(slot.exp_avg);
    exp_avg_sqs.push_back(slot.exp_avg_sq);
    steps.push_back(device_step);
  }
  if (masters.empty()) return;
  // Clipping rides along: the kernel divides each gradient by grad_scale as it reads it.
  std::optional<at::Tensor> grad_scale;
  if (grad_divisor != 1.0) {
    grad_scale = at::full({}, grad_divisor, masters.front().options().requires_grad(false));
  }
  at::_fused_adamw_(masters, grads, exp_avgs, exp_avg_sqs, /*max_exp_avg_sqs=*/{}, steps,
                    learning_rate, options_.beta1, options_.beta2, weight_decay, options_.epsilon,
                    /*amsgrad=*/false, /*maximize=*/false, grad_scale, /*found_inf=*/{});
}

void AdamW::RoundMasters() {
  const at::NoGradGuard no_grad;
  for (Slot& slot : slots_) {
    if (slot.has_own_master()) slot.parameter.copy_(slot.master);
  }
}

void AdamW::DropGradients() {
  for (Slot& slot : slots_) slot.master.mutable_grad().reset();
}

int64_t AdamW::steps() const { return step_.item<int64_t>(); }

void AdamW::Reset() {
  step_.zero_();
  for (Slot& slot : slots_) {
    slot.exp_avg.zero_();
    slot.exp_avg_sq.zero_();
  }
  DropGradients();
}

std::map<std::string, at::Tensor> AdamW::State() const {
  std::map<std::string, at::Tensor> state{{"step", step_}};
  for (const Slot& slot : slots_) {
    state.emplace("exp_avg." + slot.name, slot.exp_avg);
    state.emplace("exp_avg_sq." + slot.name, slot.exp_avg_sq);
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
    if (found->second.sizes() != tensor.sizes() ||
        found->second.scalar_type() != tensor.scalar_type()) {
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
