#pragma once

#include <torch/nn/module.h>

#include <utility>

#include "policy/config/config.h"
#include "policy/transformer/expert_adapter.h"
#include "policy/transformer/feed_forward.h"
#include "policy/transformer/ops/route.h"

namespace cohort::policy {

class GateImpl : public torch::nn::Module {
 public:
  GateImpl(const ModelConfig& config, const at::TensorOptions& options);
  // In fp32 whatever x is. To the given experts [T, K] (int64); undefined: the gate picks.
  Routing forward(const at::Tensor& x_TD, const at::Tensor& given_TK = {});

  // Of the forwards in training mode with given experts: tokens, and those that the gate would have
  // sent to others.
  struct GivenTokens {
    int64_t count = 0, differing = 0;
  };
  GivenTokens TakeGivenTokens() { return std::exchange(given_tokens_, {}); }

  // The selection bias stays fp32 whatever the dtype of the weights.
  using torch::nn::Module::to;
  void to(at::ScalarType dtype, bool non_blocking = false) override;
  void to(at::Device device, at::ScalarType dtype, bool non_blocking = false) override;

  at::Tensor weight;                   // [E, D]
  at::Tensor bias;                     // [E]; undefined without router_bias
  at::Tensor e_score_correction_bias;  // [E] fp32 buffer; undefined without selection bias

 private:
  MoeConfig config_;
  GivenTokens given_tokens_;
};
TORCH_MODULE(Gate);

class ExpertsImpl : public torch::nn::Module {
 public:
  ExpertsImpl(const ModelConfig& config, const at::TensorOptions& options);

  at::Tensor forward(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                     const Dispatch& dispatch);

  // Gives one projection low-rank adapters, of its weights' dtype and device, not initialised.
  enum class Projection { kGate, kUp, kDown };
  void AddLora(Projection projection, int64_t rank, double scale);
  ExpertAdapter& adapter(Projection projection);  // empty without
  void UseLora(bool use) { lora_on_ = use; }      // policy/transformer/linear.h

  at::Tensor gate_up_proj;       // [E, 2m, D]
  at::Tensor down_proj;          // [E, D, m]
  at::Tensor gate_up_proj_bias;  // [E, 2m]; undefined without expert_bias, as the next
  at::Tensor down_proj_bias;     // [E, D]
  // KeptMatrix in policy/transformer/ops/matmul.h; undefined but for a frozen base in e4m3.
  at::Tensor gate_up_proj_scale_inv, down_proj_scale_inv;

 private:
  GatedUnit unit_;
  ExpertAdapters adapters_;
  bool lora_on_ = true;
};
TORCH_MODULE(Experts);

// Routed experts plus the shared expert, which is added last, times the sigmoid of its gate where
// it has one.
class MixtureOfExpertsImpl : public torch::nn::Module {
 public:
  MixtureOfExpertsImpl(const ModelConfig& config, const at::TensorOptions& options);

  at::Tensor forward(const at::Tensor& x_TD);

  // Slots per expert over the forwards in training mode since the last call, [E] float64 on the
  // CPU. A forward that is computed again (recompute.h) counts once.
  at::Tensor TakeLoad();
  void SetLoad(const at::Tensor& load_E) { load_E_ = load_E.clone(); }  // as TakeLoad gave it
  // The rows (int64) of the next forwards whose slots count; undefined: all.
  void CountLoadOf(const at::Tensor& rows) { counted_rows_ = rows; }
  // The experts [T, K] (int64) of the next forwards' rows; undefined: the gate picks.
  void ReplayRouting(const at::Tensor& experts_TK) { replayed_TK_ = experts_TK; }
  Gate& gate() { return gate_; }
  // bias_e += rate * sign(mean load - load_e), arXiv 2412.19437 section 2.1.2; nothing without one.
  void UpdateSelectionBias(const at::Tensor& load_E, double rate);

 private:
  Gate gate_{nullptr};
  Experts experts_{nullptr};
  FeedForward shared_experts_{nullptr};
  Linear shared_expert_gate_{nullptr};
  at::Tensor load_E_;
  at::Tensor counted_rows_;
  at::Tensor replayed_TK_;
};
TORCH_MODULE(MixtureOfExperts);

}  // namespace cohort::policy
