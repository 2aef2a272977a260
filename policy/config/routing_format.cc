#include "policy/config/routing_format.h"

#include <algorithm>

#include "base/error.h"

namespace cohort::policy {

void RoutingFormat::Write(const int32_t* experts, uint8_t* to) const {
  for (int64_t k = 0; k < experts_per_token; ++k) {
    *to++ = static_cast<uint8_t>(experts[k]);
    if (number_bytes() == 2) *to++ = static_cast<uint8_t>(experts[k] >> 8);
  }
}

std::string RoutingFormat::FaultOf(std::string_view bytes, int64_t tokens) const {
  if (std::ssize(bytes) != tokens * token_bytes()) {
    return "routing of " + std::to_string(bytes.size()) + " bytes, where " +
           std::to_string(tokens) + " tokens have " + std::to_string(tokens * token_bytes());
  }
  const auto* layer = reinterpret_cast<const uint8_t*>(bytes.data());
  for (int64_t i = 0; i < tokens * moe_layers; ++i, layer += layer_bytes()) {
    for (int64_t k = 0; k < experts_per_token; ++k) {
      const int32_t expert = Read(layer, k);
      bool twice = false;
      for (int64_t other = 0; other < k; ++other) twice = twice || Read(layer, other) == expert;
      if (expert < num_experts && !twice) continue;
      return "routing that sends token " + std::to_string(i / moe_layers) + " to expert " +
             std::to_string(expert) + (twice ? " twice" : " of " + std::to_string(num_experts));
    }
  }
  return "";
}

RoutingFormat RoutingFormatOf(const ModelConfig& config) {
  RoutingFormat format;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    format.moe_layers += config.IsMoeLayer(layer) ? 1 : 0;
  }
  if (format.moe_layers == 0) return format;
  format.experts_per_token = config.moe.experts_per_token;
  format.num_experts = config.moe.num_experts;
  COHORT_CHECK(format.num_experts <= 65536, "an expert's number has two bytes at most");
  return format;
}

}  // namespace cohort::policy
