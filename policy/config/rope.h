#pragma once

// config.json <-> RopeConfig in both dialects: rope_theta and rope_scaling (transformers 4),
// rope_parameters (transformers 5).

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

// How a family's class reads its rope.
struct RopeDialect {
  // The values where config.json does not state the fields.
  double base = 10000.0;
  double partial_rotary_factor = 1.0;
  int64_t original_max_positions = 0;  // of longrope; 0: max_position_embeddings
  bool heeds_partial_rotary_factor = false;
  bool has_long_rope = false;
  // mrope_section and mrope_interleaved say which pairs turn by an image's row or column; a text's
  // are its position, so they change nothing.
  bool has_sections = false;
  // rope_parameters holds one object for each type of layer, and scaling is of the full ones alone.
  // windowed_base: that of layers with a window, 0: the same as the others'.
  bool by_layer_type = false;
  double windowed_base = 0;
};

// Fills everything but `interleaved`; config.max_positions is read before. kUsage also where an
// absent value is needed and the class has none.
void ReadRope(const ConfigFields& fields, const RopeDialect& dialect, ModelConfig* config);
nlohmann::json RopeToJson(const ModelConfig& config, const RopeDialect& dialect);

}  // namespace cohort::policy
