#include "policy/transformer/decoder_stack.h"

namespace cohort::policy {

DecoderStackImpl::DecoderStackImpl(const ModelConfig& config, const at::TensorOptions& options)
    : rope_(ComputeRopeFrequencies(config.rope, config.attention.rotary_dim())) {
  embed_tokens_ = register_module(
      "embed_tokens", EmbeddingTable(config.vocab_size, config.width, config.pad_id, options));
  torch::nn::ModuleList list;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    layers_.push_back(DecoderLayer(config, layer, options));
    list->push_back(layers_.back());
  }
  for (int64_t i = 0; i < config.num_mtp_layers; ++i) {
    mtp_layers_.push_back(MtpLayer(config, config.num_layers + i, options));
    list->push_back(mtp_layers_.back());
  }
  register_module("layers", list);
  norm_ = register_module("norm", RmsNorm(config.width, config.norm_eps, options));
}

at::Tensor DecoderStackImpl::forward(const at::Tensor& ids_T, const at::Tensor& positions_T,
                                     const std::vector<Segment>& segments) {
  const RopeAngles rope = RopeAnglesAt(positions_T, rope_);
  at::Tensor hidden_TD = embed_tokens_(ids_T);
  for (DecoderLayer& layer : layers_) hidden_TD = layer(hidden_TD, rope, segments);
  return norm_(hidden_TD);
}

at::Tensor DecoderStackImpl::ForwardMtp(int64_t k, const at::Tensor& hidden_MD,
                                        const PackedTokens& next) {
  return mtp_layer(k)(embed_tokens_(next.ids_T), hidden_MD, RopeAnglesAt(next.positions_T, rope_),
                      next.segments);
}

std::vector<MixtureOfExperts> DecoderStackImpl::MoeLayers() {
  std::vector<MixtureOfExperts> out;
  const auto add = [&out](DecoderLayerImpl& layer) {
    if (!layer.moe().is_empty()) out.push_back(layer.moe());
  };
  for (DecoderLayer& layer : layers_) add(*layer);
  for (MtpLayer& layer : mtp_layers_) add(*layer);
  return out;
}

}  // namespace cohort::policy
