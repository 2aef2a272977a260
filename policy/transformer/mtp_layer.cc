#include "policy/transformer/mtp_layer.h"

namespace cohort::policy {

MtpLayerImpl::MtpLayerImpl(const ModelConfig& config, int64_t layer)
    : DecoderLayerImpl(config, layer) {
  enorm_ = register_module("enorm", RmsNorm(config.width, config.norm_eps));
  hnorm_ = register_module("hnorm", RmsNorm(config.width, config.norm_eps));
  eh_proj_ = register_module("eh_proj", Linear(2 * config.width, config.width));
  shared_head_ = register_module("shared_head", SharedHead(config.width, config.norm_eps));
}

at::Tensor MtpLayerImpl::forward(const at::Tensor& next_embedding_MD, const at::Tensor& hidden_MD,
                                 const RopeTable& rope, const std::vector<Segment>& segments) {
  const at::Tensor both = at::cat({enorm_(next_embedding_MD), hnorm_(hidden_MD)}, 1);
  return DecoderLayerImpl::forward(eh_proj_(both), rope, segments);
}

}  // namespace cohort::policy
