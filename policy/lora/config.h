#pragma once

// What low-rank adapters (policy/lora/lora.h) are made of.

#include <cstdint>
#include <string>
#include <vector>

namespace cohort::policy {

constexpr char kAllLinear[] = "all-linear";

struct LoraConfig {
  int64_t rank = 8;
  double alpha = 16;
  // Last parts of layers' names ("q_proj", "shared_experts.up_proj"), or kAllLinear: every linear
  // layer but the head. Routers are no linear layers.
  std::vector<std::string> targets;

  double scale() const { return alpha / static_cast<double>(rank); }
};

}  // namespace cohort::policy
