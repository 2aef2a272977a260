#pragma once

// config.json <-> the sliding windows of AttentionConfig.

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

enum class WindowedLayers {
  kNone,   // the family has no windows
  kAll,    // every layer has one
  kUpper,  // those that layer_types names, or those from max_window_layers on
};

// How a family's class reads sliding_window.
struct SlidingWindows {
  WindowedLayers layers = WindowedLayers::kNone;
  int64_t absent = 0;        // the window where config.json does not state the field; null: none
  bool is_switched = false;  // use_sliding_window decides, which is false where it is absent
};

// config->num_layers is read before.
void ReadSlidingWindow(const ConfigFields& fields, const SlidingWindows& windows,
                       ModelConfig* config);
nlohmann::json SlidingWindowToJson(const ModelConfig& config, const SlidingWindows& windows);

}  // namespace cohort::policy
