#pragma once

// How the experts that tokens went to are written down: [tokens, MoE layers, experts a token], best
// first, a number of one byte each, or of two (little-endian) where the model has more than 256
// experts. A decoder records it, a learner replays it (arXiv 2510.11370). Multi-token-prediction
// layers are not in it.

#include <cstdint>
#include <string>
#include <string_view>

#include "policy/config/config.h"

namespace cohort::policy {

struct RoutingFormat {
  int64_t moe_layers = 0;  // 0: a dense model, which has no routing
  int64_t experts_per_token = 0;
  int64_t num_experts = 0;  // at most 65536

  int64_t number_bytes() const { return num_experts > 256 ? 2 : 1; }
  int64_t layer_bytes() const { return experts_per_token * number_bytes(); }
  int64_t token_bytes() const { return moe_layers * layer_bytes(); }

  // A token's experts in one layer, to its place.
  void Write(const int32_t* experts, uint8_t* to) const;
  int32_t Read(const uint8_t* layer, int64_t k) const {
    if (number_bytes() == 1) return layer[k];
    return layer[2 * k] | layer[2 * k + 1] << 8;
  }

  // Why `bytes` cannot be the routing of so many tokens: their count, an expert that is not there
  // or comes twice for a token; "" where they can.
  std::string FaultOf(std::string_view bytes, int64_t tokens) const;
};

RoutingFormat RoutingFormatOf(const ModelConfig& config);

}  // namespace cohort::policy
