#pragma once

// The policy as the learner runs it: LibTorch autograd, packed sequences, any device.
// Shapes: T packed tokens, N rows asked for, D width, V vocabulary, E experts.

#include <torch/torch.h>

#include <vector>

#include "policy/config.h"
#include "policy/weights.h"

namespace cohort::policy {

// Several sequences end to end, without padding.
struct PackedTokens {
  at::Tensor ids_T;              // int64
  at::Tensor positions_T;        // int64, restarts at 0 with every sequence
  std::vector<int64_t> offsets;  // sequence s is rows offsets[s] .. offsets[s+1]-1; offsets.back() == T
};

PackedTokens Pack(const std::vector<std::vector<int32_t>>& sequences, at::Device device = at::kCPU);

class TransformerImpl : public torch::nn::Module {
 public:
  explicit TransformerImpl(const ModelConfig& config);

  // Hidden states after the final norm, [T, D]. Attention never crosses a sequence's border.
  at::Tensor forward(const PackedTokens& tokens);

  // [V, D]: lm_head, or the embedding when tied.
  at::Tensor head_weight() const;

  // Copies values in (names and shapes as policy/weights.h says; kUsage otherwise).
  void LoadWeights(const WeightMap& weights);
  // Detached views of the live parameters and selection biases.
  WeightMap Weights() const;

  // How many tokens each expert got in forwards run in training mode since the last call:
  // [MoE layers, E] float64; undefined for a dense model.
  at::Tensor TakeExpertLoad();
  // bias_e += rate * sign(mean load - load_e), arXiv 2412.19437 section 2.1.2.
  void UpdateSelectionBias(const at::Tensor& load_LE, double rate);

  const ModelConfig& config() const { return config_; }

 private:
  ModelConfig config_;
  torch::nn::Embedding embedding_{nullptr};
  torch::nn::ModuleList layers_{nullptr};
  torch::nn::AnyModule norm_;
  at::Tensor head_;
};
TORCH_MODULE(Transformer);

}  // namespace cohort::policy
