#pragma once

// config.json <-> RopeConfig in both dialects: rope_theta and rope_scaling (transformers 4),
// rope_parameters (transformers 5).

#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/fields.h"

namespace cohort::policy {

// What a config.json means that does not state rope_theta or partial_rotary_factor.
struct AbsentRope {
  double base = 10000.0;
  double partial_rotary_factor = 1.0;
};

// Fills everything but `interleaved`; config.max_positions is read before.
void ReadRope(const ConfigFields& fields, const AbsentRope& absent, ModelConfig& config);
void WriteRope(const RopeConfig& rope, nlohmann::json& out);

}  // namespace cohort::policy
