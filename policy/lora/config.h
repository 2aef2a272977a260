#pragma once

// What low-rank adapters (policy/lora/lora.h) are made of.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace cohort::policy {

constexpr char kAllLinear[] = "all-linear";

// Of the matrices that adapters leave as they are (policy/lora/frozen_base.h).
enum class BaseFormat { kFloat32, kBFloat16, kFp8 };

struct LoraConfig {
  int64_t rank = 8;
  double alpha = 16;
  // Last parts of layers' names ("q_proj", "shared_experts.up_proj"), or kAllLinear: every linear
  // layer but the head. Routers are no linear layers.
  std::vector<std::string> targets;
  bool rank_stabilised = false;  // the scale falls with the rank's root (arXiv 2312.03732)

  // Share of the inputs of A that training leaves out (policy/transformer/ops/dropout.h).
  double dropout = 0;

  double scale() const { return Scale(alpha, static_cast<double>(rank)); }
  // The alpha that gives another rank the same scale.
  double AlphaFor(double other_rank) const {
    const double ratio = other_rank / static_cast<double>(rank);
    return alpha * (rank_stabilised ? std::sqrt(ratio) : ratio);
  }
  // Of an adapter with a rank and an alpha of its own.
  double Scale(double own_alpha, double own_rank) const {
    return own_alpha / (rank_stabilised ? std::sqrt(own_rank) : own_rank);
  }
};

}  // namespace cohort::policy
