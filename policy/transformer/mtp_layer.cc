#include "policy/transformer/mtp_layer.h"

#include "policy/transformer/ops/numerics.h"

namespace cohort::policy {

MtpLayerImpl::MtpLayerImpl(const ModelConfig& config, int64_t layer,
                           const at::TensorOptions& options)
    : DecoderLayerImpl(config, layer, options) {
  enorm_ = register_module("enorm", RmsNorm(config.width, config, options));
  hnorm_ = register_module("hnorm", RmsNorm(config.width, config, options));
  eh_proj_ = register_module("eh_proj", Linear(2 * config.width, config.width, options));
  shared_head_ = register_module("shared_head", SharedHead(config, options));
}

at::Tensor MtpLayerImpl::forward(const at::Tensor& next_embedding_MD, const at::Tensor& hidden_MD,
                                 const RopeAngles& rope, const std::vector<Segment>& segments) {
  const at::Tensor both = at::cat({enorm_(next_embedding_MD), hnorm_(hidden_MD)}, 1);
  const at::Tensor mixed = [&] {
    const HigherPrecisionScope higher;
    return eh_proj_(both);
  }();
  return DecoderLayerImpl::forward(mixed, rope, segments);
}

}  // namespace cohort::policy
