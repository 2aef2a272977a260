#pragma once

#include <torch/nn/module.h>

#include <vector>

#include "policy/transformer/decoder_layer.h"
#include "policy/transformer/mtp_layer.h"

namespace cohort::policy {

class EmbeddingTableImpl : public torch::nn::Module {
 public:
  // The row of `pad_id` takes no gradient from here (torch.nn.Embedding's padding_idx), as a tied
  // head it does; -1: none.
  EmbeddingTableImpl(int64_t vocab_size, int64_t width, int64_t pad_id,
                     const at::TensorOptions& options)
      : weight(register_parameter("weight", at::empty({vocab_size, width}, options))),
        pad_id_(pad_id) {}

  // Rows of `dtype`. In the bf16 classes they are rounded to bf16, as a worker keeps them; gradients
  // are not.
  at::Tensor forward(const at::Tensor& ids_T, at::ScalarType dtype);

  at::Tensor weight;  // [V, D]

 private:
  int64_t pad_id_;
};
TORCH_MODULE(EmbeddingTable);

// Embedding, layers, final norm: "model" in Hugging Face's names, multi-token-prediction layers
// among its layers.
class DecoderStackImpl : public torch::nn::Module {
 public:
  DecoderStackImpl(const ModelConfig& config, const at::TensorOptions& options);

  // Hidden states after the final norm, [T, D], times the model's logit_scale.
  at::Tensor forward(const at::Tensor& ids_T, const at::Tensor& positions_T,
                     const std::vector<Segment>& segments);
  // The k-th multi-token-prediction layer, k from 1 (policy/transformer/mtp_layer.h). `next` holds
  // token i + k in the row of i, at position i.
  at::Tensor ForwardMtp(int64_t k, const at::Tensor& hidden_MD, const PackedTokens& next);
  MtpLayer mtp_layer(int64_t k) const { return mtp_layers_.at(static_cast<size_t>(k - 1)); }
  // The activations of the first `layers` are not kept for the backward pass but computed again in
  // it, when those of the others are gone. The gradients are the same bits.
  void RecomputeFirst(int64_t layers) { recomputed_layers_ = layers; }
  int64_t recomputed_layers() const { return recomputed_layers_; }
  const at::Tensor& embedding() const { return embed_tokens_->weight; }
  std::vector<MixtureOfExperts> MoeLayers();  // multi-token-prediction layers' too

 private:
  // Of activations: the norms', since matrices may be narrower.
  at::ScalarType dtype() const { return norm_->weight.scalar_type(); }

  double embedding_scale_, logit_scale_;
  RopeFrequencies rope_;
  std::optional<RopeFrequencies> windowed_rope_;
  std::vector<bool> is_windowed_;  // for each of layers_
  EmbeddingTable embed_tokens_{nullptr};
  std::vector<DecoderLayer> layers_;
  int64_t recomputed_layers_ = 0;
  std::vector<MtpLayer> mtp_layers_;
  RmsNorm norm_{nullptr};
};
TORCH_MODULE(DecoderStack);

}  // namespace cohort::policy
