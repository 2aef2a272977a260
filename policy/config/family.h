#pragma once

// The model families: for each, what its config.json says and how its folder names the experts.

#include <nlohmann/json.hpp>
#include <string>

#include "policy/config/config.h"
#include "policy/config/fields.h"
#include "policy/config/rope.h"
#include "policy/config/sliding_window.h"

namespace cohort::policy {

// Names of a MoE layer's tensors in a folder; in memory all families have
// policy/weights/weights.h's names.
struct ExpertNames {
  const char* block = ".mlp.";
  const char* gate = "gate_proj";
  const char* up = "up_proj";
  const char* down = "down_proj";
};

// Values that transformers' class of the family takes when config.json does not state the field.
struct FamilyDefaults {
  double norm_eps = 1e-6;
  AbsentRope rope = {};
  int64_t max_positions = 0;  // 0: config.json must state it
};

struct ModelFamily {
  const char* model_type;
  const char* architecture;
  FamilyDefaults defaults;
  SlidingWindows windows;
  ExpertNames experts;
  // Sets config->attention and, where the family has a say, config->rope.interleaved.
  void (*read_attention)(const ConfigFields& fields, ModelConfig* config);
  // The fields of config.json, to be merged with the others'.
  nlohmann::json (*attention_to_json)(const ModelConfig& config);
  // Sets config->moe; null in a dense family.
  void (*read_moe)(const ConfigFields& fields, ModelConfig* config);
  nlohmann::json (*moe_to_json)(const ModelConfig& config);
};

// kUsage naming the nearest family and all of them.
const ModelFamily& FindFamily(const std::string& model_type, const std::string& file_name);

}  // namespace cohort::policy
