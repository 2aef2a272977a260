#pragma once

// config.json <-> RopeConfig in both dialects: rope_theta and rope_scaling (transformers 4),
// rope_parameters (transformers 5).

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

// The values of rope_theta and partial_rotary_factor where config.json does not state them, and
// whether the family's class heeds the latter.
struct AbsentRope {
  double base = 10000.0;
  double partial_rotary_factor = 1.0;
  bool heeds_partial_rotary_factor = false;
};

// Fills everything but `interleaved`; config.max_positions is read before.
void ReadRope(const ConfigFields& fields, const AbsentRope& absent, ModelConfig* config);
nlohmann::json RopeToJson(const RopeConfig& rope);

}  // namespace cohort::policy
