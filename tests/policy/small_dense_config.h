#pragma once

#include "policy/config/config.h"

namespace cohort::policy {

// A dense model whose numbers are counted by hand.
inline ModelConfig SmallDenseConfig() {
  ModelConfig config;
  config.width = 64;
  config.num_layers = 2;
  config.ffn_width = 100;
  config.vocab_size = 50;
  config.max_positions = 256;
  config.attention.num_heads = 4;
  config.attention.num_kv_heads = 2;
  config.attention.head_dim = 16;
  return config;
}

}  // namespace cohort::policy
