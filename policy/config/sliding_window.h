#pragma once

// config.json <-> the sliding windows of AttentionConfig.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

enum class WindowedLayers {
  kNone,       // the family has no windows
  kAll,        // every layer has one
  kUpper,      // those from max_window_layers on
  kAllBut,     // all but every n-th
  kUnrotated,  // those without rotary positions
  kListed,     // layer_types must say
};

// How a family's class reads sliding_window, and which layers have one where layer_types, which it
// obeys, does not say.
struct SlidingWindows {
  WindowedLayers layers = WindowedLayers::kNone;
  int64_t absent = 0;        // the window where config.json does not state the field; 0: none
  bool is_switched = false;  // use_sliding_window decides, which is false where it is absent
  int64_t full_every = 0;    // kAllBut: the n, unless sliding_window_pattern states another
};

// config->num_layers and config->attention.unrotated_layers are read before.
void ReadSlidingWindow(const ConfigFields& fields, const SlidingWindows& windows,
                       ModelConfig* config);
nlohmann::json SlidingWindowToJson(const ModelConfig& config, const SlidingWindows& windows);

}  // namespace cohort::policy
