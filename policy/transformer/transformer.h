#pragma once

// The policy as the learner runs it: LibTorch autograd, packed sequences, any device.
// Shapes: T packed tokens, N rows asked for, D width, V vocabulary, E experts.

#include <torch/nn/module.h>

#include <vector>

#include "policy/config/config.h"
#include "policy/transformer/decoder_stack.h"
#include "policy/transformer/linear.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/transformer/packed_tokens.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

class TransformerImpl : public torch::nn::Module {
 public:
  // Parameters of that dtype and device, not initialised: LoadWeights or AdoptWeights follows.
  // Selection biases are fp32 in any.
  explicit TransformerImpl(const ModelConfig& config, const at::TensorOptions& options = {});

  // Hidden states after the final norm, [T, D]. A row sees its segment and the segment's prefix.
  at::Tensor forward(const PackedTokens& tokens);

  // Of the next forwards (decoder_stack.h): 0, all are kept, to config().num_layers.
  void RecomputeFirst(int64_t layers) { model_->RecomputeFirst(layers); }
  int64_t recomputed_layers() const { return model_->recomputed_layers(); }

  // Multi-token prediction at depth k, 1 to config().num_mtp_layers
  // (policy/transformer/mtp_layer.h).
  struct MtpStates {
    at::Tensor hidden_MD;   // for the next depth
    at::Tensor predict_MD;  // for head(), as forward's rows are
  };
  MtpStates ForwardMtp(int64_t k, const at::Tensor& hidden_MD, const PackedTokens& next);

  // Its weight is lm_head, or the embedding when tied.
  LogitHead head() const;

  // Copies values in, converted to the parameters' dtype (names and shapes as
  // policy/weights/weights.h says; kUsage otherwise).
  void LoadWeights(const WeightMap& weights);
  // The same without a copy: these tensors, contiguous and of any floating dtype and device, become
  // the parameters, so nobody else may use them. Selection biases are converted to fp32.
  void AdoptWeights(WeightMap weights);
  // From now on the matrices of products, experts' too, and the embedding are bf16, beside fp32
  // activations, norms, biases, routers and convolutions: their values rounded, in half the memory.
  // On the CPU, without adapters.
  void KeepMatricesInBf16();
  // Detached views of the live parameters and selection biases, adapters (policy/lora/lora.h) left
  // out; of a frozen base in e4m3 (policy/lora/frozen_base.h) its numbers in fp32.
  WeightMap Weights() const;

  // The number of tokens that each expert got in forwards of training mode since the last call:
  // [MoE layers, E] float64; undefined for a dense model.
  at::Tensor TakeExpertLoad();
  // What the next TakeExpertLoad begins from: an earlier one's, copied.
  void SetExpertLoad(const at::Tensor& load_LE);
  // The rows (int64) of the next forwards that count in that; undefined: all. Not for
  // multi-token-prediction layers, which have rows of their own.
  void CountExpertLoadOf(const at::Tensor& rows);
  // The experts [T, MoE layers, K] (int) of the next forwards' rows, as a decoder picked them;
  // undefined: the gates pick. Not for multi-token-prediction layers.
  void ReplayRouting(const at::Tensor& experts_TLK);
  // Tokens x MoE layers that were replayed in training mode since the last call, and those that the
  // gates would have sent to other experts.
  GateImpl::GivenTokens TakeReplayedTokens();
  // bias_e += rate * sign(mean load - load_e), arXiv 2412.19437 section 2.1.2; a router without
  // selection bias stays as it is.
  void UpdateSelectionBias(const at::Tensor& load_LE, double rate);

  const ModelConfig& config() const { return config_; }

 private:
  ModelConfig config_;
  // Submodules carry Hugging Face's names, so that named_parameters() has those of
  // policy/weights/weights.h.
  DecoderStack model_{nullptr};
  Linear lm_head_{nullptr};  // empty when tied
};
TORCH_MODULE(Transformer);

}  // namespace cohort::policy
