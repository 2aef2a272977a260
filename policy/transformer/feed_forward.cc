#include "policy/transformer/feed_forward.h"

namespace cohort::policy {

FeedForwardImpl::FeedForwardImpl(int64_t width, int64_t ffn_width,
                                 const at::TensorOptions& options) {
  gate_proj_ = register_module("gate_proj", Linear(width, ffn_width, options));
  up_proj_ = register_module("up_proj", Linear(width, ffn_width, options));
  down_proj_ = register_module("down_proj", Linear(ffn_width, width, options));
}

}  // namespace cohort::policy
