#include "policy/transformer/feed_forward.h"

namespace cohort::policy {

FeedForwardImpl::FeedForwardImpl(const ModelConfig& config, int64_t ffn_width,
                                 const at::TensorOptions& options)
    : unit_(config.gated_unit) {
  const int64_t width = config.width;
  if (config.fused_projections) {
    gate_up_proj_ = register_module("gate_up_proj", Linear(width, 2 * ffn_width, options));
  } else {
    gate_proj_ = register_module("gate_proj", Linear(width, ffn_width, options));
    up_proj_ = register_module("up_proj", Linear(width, ffn_width, options));
  }
  down_proj_ = register_module("down_proj", Linear(ffn_width, width, options));
}

at::Tensor FeedForwardImpl::forward(const at::Tensor& x_TD) {
  if (gate_up_proj_.is_empty()) {
    return down_proj_(ApplyGatedUnit(unit_, gate_proj_(x_TD), up_proj_(x_TD)));
  }
  const std::vector<at::Tensor> both = gate_up_proj_(x_TD).chunk(2, 1);
  return down_proj_(ApplyGatedUnit(unit_, both[0], both[1]));
}

}  // namespace cohort::policy
