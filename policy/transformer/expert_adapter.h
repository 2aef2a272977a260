#pragma once

// Low-rank adapters (policy/lora/lora.h) of routed experts: one of its own for every expert and
// projection, held in one tensor for all experts, as the experts' weights are.
// Shapes: S rows sorted by expert, E experts, r rank, I input width, O output width.

#include <torch/nn/module.h>

#include <memory>

#include "policy/transformer/ops/dropout.h"
#include "policy/transformer/ops/expert_dispatch.h"
#include "policy/transformer/ops/expert_mlp.h"

namespace cohort::policy {

class ExpertAdapterImpl : public torch::nn::Module {
 public:
  // lora_A and lora_B are not initialised.
  ExpertAdapterImpl(int64_t experts, int64_t in_width, int64_t out_width, int64_t rank,
                    double scale, const at::TensorOptions& options);

  // y + scale x A_e^T B_e^T for the rows of each expert e.
  at::Tensor AddTo(const at::Tensor& y_SO, const at::Tensor& x_SI, const Dispatch& dispatch);

  // As LinearImpl's: a token's row has the same draws for each of its experts.
  void DropLoraInputs(std::shared_ptr<const DropoutDraws> draws, uint32_t layer);

  at::Tensor lora_A;  // [E, r, I]
  at::Tensor lora_B;  // [E, O, r]
  double scale;

 private:
  std::shared_ptr<const DropoutDraws> draws_;
  uint32_t layer_ = 0;
};
TORCH_MODULE(ExpertAdapter);

// The adapters of the three projections; empty where a projection has none.
struct ExpertAdapters {
  ExpertAdapter gate{nullptr}, up{nullptr}, down{nullptr};

  bool empty() const { return gate.is_empty() && up.is_empty() && down.is_empty(); }
};

// ExpertMlp (policy/transformer/ops/expert_mlp.h) with the adapters added to its projections.
// Differentiable in the adapters as well; without gradients of frozen weights no tensor of their
// size is made.
at::Tensor AdaptedExpertMlp(const at::Tensor& x_TD, const at::Tensor& weights_TK,
                            const ExpertWeights& experts, ExpertAdapters adapters,
                            const Dispatch& dispatch);

}  // namespace cohort::policy
