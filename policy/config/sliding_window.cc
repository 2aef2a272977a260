#include "policy/config/sliding_window.h"

#include <algorithm>

#include "policy/config/layer_types.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

// The value that a Qwen2Config has where config.json does not state the field.
constexpr int64_t kMaxWindowLayers = 28;

int64_t ReadWindow(const ConfigFields& fields, const SlidingWindows& windows) {
  const bool used = fields.BoolOr("use_sliding_window", !windows.is_switched);
  if (!used || fields.IsNull("sliding_window")) return 0;
  if (windows.layers == WindowedLayers::kNone) fields.OnlyAbsent("sliding_window");
  return fields.IntOr("sliding_window", 1, kMaxSize, windows.absent);
}

// The layers without a window where layer_types does not say.
std::vector<int64_t> FullLayersUnlisted(const ConfigFields& fields, const SlidingWindows& windows,
                                        const ModelConfig& config) {
  std::vector<int64_t> full;
  const int64_t layers = config.num_layers;
  switch (windows.layers) {
    case WindowedLayers::kNone:
    case WindowedLayers::kAll:
      break;
    case WindowedLayers::kUpper: {
      const int64_t first = fields.IntOr("max_window_layers", 0, kMaxSize, kMaxWindowLayers);
      for (int64_t i = 0; i < std::min(first, layers); ++i) full.push_back(i);
      break;
    }
    case WindowedLayers::kAllBut: {
      const int64_t every = fields.IntOr("sliding_window_pattern", 1, kMaxSize, windows.full_every);
      for (int64_t i = every - 1; i < layers; i += every) full.push_back(i);
      break;
    }
    case WindowedLayers::kUnrotated:
      for (int64_t i = 0; i < layers; ++i) {
        if (config.attention.Rotates(i)) full.push_back(i);
      }
      break;
    case WindowedLayers::kListed:
      fields.Refuse("layer_types", "missing",
                    "a list of the layers' types where there is a sliding_window");
  }
  return full;
}

}  // namespace

void ReadSlidingWindow(const ConfigFields& fields, const SlidingWindows& windows,
                       ModelConfig* config) {
  AttentionConfig& attention = config->attention;
  attention.sliding_window = ReadWindow(fields, windows);
  const int64_t layers = config->num_layers;
  if (config->linear.conv_width > 0) return;  // layer_types is policy/config/linear_attention.h's
  if (!fields.Has("layer_types")) {
    if (attention.sliding_window > 0) {
      attention.full_layers = FullLayersUnlisted(fields, windows, *config);
    }
    return;
  }
  const std::vector<int64_t> full = ReadFullLayers(fields, layers, "sliding_attention");
  if (attention.sliding_window == 0 && std::ssize(full) < layers) {
    fields.Refuse("layer_types", "partly \"sliding_attention\"",
                  "only \"full_attention\" where there is no sliding_window");
  }
  if (windows.layers == WindowedLayers::kAll && attention.sliding_window > 0 && !full.empty()) {
    fields.Refuse("layer_types", "partly \"full_attention\"",
                  "only \"sliding_attention\": every layer of " + config->family + " has a window");
  }
  if (attention.sliding_window > 0) attention.full_layers = full;
}

json SlidingWindowToJson(const ModelConfig& config, const SlidingWindows& windows) {
  const AttentionConfig& attention = config.attention;
  const json window = attention.sliding_window > 0 ? json(attention.sliding_window) : json();
  if (windows.layers == WindowedLayers::kNone) return json::object();
  json out = {{"sliding_window", window}};
  if (windows.is_switched) out["use_sliding_window"] = !window.is_null();
  // A class whose layers alternate by themselves must be told that none has a window.
  const bool alternates = windows.layers == WindowedLayers::kAllBut;
  if (windows.layers == WindowedLayers::kAll || (window.is_null() && !alternates)) return out;
  json types = json::array();
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    types.push_back(attention.WindowOf(layer) > 0 ? "sliding_attention" : "full_attention");
  }
  out["layer_types"] = types;
  // Read where layer_types is not; the same only where the full layers come first.
  if (windows.layers == WindowedLayers::kUpper) {
    out["max_window_layers"] = attention.full_layers.size();
  }
  return out;
}

}  // namespace cohort::policy
