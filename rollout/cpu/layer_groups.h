#pragma once

// The layers of a model in groups that share the blocks of the KV cache. Layers that see equally
// far back need the same tokens, so they have one block table; all groups have as many layers, so
// that a block serves any of them. That number is the greatest one that divides how many layers
// there are of each window: no part of a block lies idle.

#include <cstdint>
#include <span>
#include <vector>

#include "policy/config/config.h"

namespace cohort::rollout {

struct LayerGroups {
  // Of the layers with these windows, in order; 0: the layer sees all.
  explicit LayerGroups(std::span<const int64_t> windows_of_layers);
  // A window that no sequence outgrows is none. Gated delta nets are in no group.
  explicit LayerGroups(const policy::ModelConfig& config);

  struct Place {
    int64_t group;
    int64_t index;  // in its group
  };
  static constexpr Place kNowhere{-1, -1};  // of a gated delta net
  int64_t group_layers = 0;                 // layers of each group
  std::vector<int64_t> windows;             // [groups]
  std::vector<Place> places;                // of each layer
};

}  // namespace cohort::rollout
