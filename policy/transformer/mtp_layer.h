#pragma once

#include <torch/nn/module.h>

#include <vector>

#include "policy/transformer/decoder_layer.h"
#include "policy/transformer/linear.h"
#include "policy/transformer/rms_norm.h"

namespace cohort::policy {

// The norm before the head that a multi-token-prediction layer shares with the model.
class SharedHeadImpl : public torch::nn::Module {
 public:
  SharedHeadImpl(const ModelConfig& config, const at::TensorOptions& options)
      : norm(register_module("norm", RmsNorm(config.width, config, options))) {}

  RmsNorm norm;
};
TORCH_MODULE(SharedHead);

// One depth of multi-token prediction (arXiv 2412.19437 section 2.2): from the hidden state of
// token i and from token i + k itself, the k-th of these layers predicts token i + k + 1.
class MtpLayerImpl : public DecoderLayerImpl {
 public:
  MtpLayerImpl(const ModelConfig& config, int64_t layer, const at::TensorOptions& options);

  // h_k = block(eh_proj[enorm(embedding of token i + k), hnorm(h_{k-1})]), eq. 21-22, [M, D], a row
  // for each i. h_0 is the model's hidden state after the final norm, as DeepSeek's own serving
  // engines hand it over. RMSNorm(h_k) is taken by PredictFrom, not here.
  at::Tensor forward(const at::Tensor& next_embedding_MD, const at::Tensor& hidden_MD,
                     const RopeAngles& rope, const std::vector<Segment>& segments);
  // The rows that the head reads, [M, D].
  at::Tensor PredictFrom(const at::Tensor& hidden_MD) { return shared_head_->norm(hidden_MD); }

 private:
  RmsNorm enorm_{nullptr};
  RmsNorm hnorm_{nullptr};
  Linear eh_proj_{nullptr};
  SharedHead shared_head_{nullptr};
};
TORCH_MODULE(MtpLayer);

}  // namespace cohort::policy
