#pragma once

// The model families: for each, what its config.json says and how its folder names its tensors.

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "policy/config/config.h"
#include "policy/config/fields.h"
#include "policy/config/rope.h"
#include "policy/config/sliding_window.h"

namespace cohort::policy {

enum class ExpertStorage {
  kOneByOne,  // every routed expert's projections are tensors of their own
  // A layer's experts in one tensor, input rows by output columns, the columns of gate and up in
  // turn: experts.gate_up_proj [E, D, 2m], experts.down_proj [E, m, D]; or in MXFP4
  // (policy/weights/mxfp4_blocks.h).
  kInterleaved,
};

// How a folder has a MoE layer's tensors; in memory all families have policy/weights/weights.h's
// names and layouts.
struct FolderNames {
  const char* block = ".mlp.";
  const char* router = "gate.";
  const char* shared = "shared_experts.";
  // A routed expert's projections.
  const char* gate = "gate_proj";
  const char* up = "up_proj";
  const char* down = "down_proj";
  ExpertStorage experts = ExpertStorage::kOneByOne;
  // PEFT with transformers 5 takes the experts' projections among target_modules for the parameters
  // that they became there (policy/lora/peft.h); where not, adapter_config.json names those too.
  bool peft_renames_experts = true;
};

// Values that transformers' class of the family takes when config.json does not state the field.
struct FamilyDefaults {
  double norm_eps = 1e-6;
  RopeDialect rope = {};
  int64_t max_positions = 0;  // 0: config.json must state it
  bool tie_embeddings = false;
  int64_t ffn_width = 0;  // 0: config.json must state it; any serves where no layer is dense
};

// The mathematics of the family's class that no field of config.json says.
struct FamilyTraits {
  NormPlacement norm_placement = NormPlacement::kBefore;
  bool norm_adds_one = false;
  GatedUnit gated_unit = GatedUnit::kSwiGlu;
  bool fused_projections = false;
};

struct ModelFamily {
  const char* model_type;
  const char* architecture;
  FamilyDefaults defaults = {};
  FamilyTraits traits = {};
  SlidingWindows windows = {};
  FolderNames names = {};
  // Fields that are refused by name in a config.json of the other families.
  std::span<const char* const> heeds = {};
  // Sets config->attention and, where the family has a say, config->rope.interleaved.
  void (*read_attention)(const ConfigFields& fields, ModelConfig* config);
  // The fields of config.json, to be merged with the others'.
  nlohmann::json (*attention_to_json)(const ModelConfig& config);
  // Set config->moe; null in a dense family.
  void (*read_moe)(const ConfigFields& fields, ModelConfig* config) = nullptr;
  nlohmann::json (*moe_to_json)(const ModelConfig& config) = nullptr;
  // Set the factors and caps of embedding, residual stream and logits; null where all are 1 or
  // none.
  void (*read_scales)(const ConfigFields& fields, ModelConfig* config) = nullptr;
  nlohmann::json (*scales_to_json)(const ModelConfig& config) = nullptr;
};

std::vector<std::string> FamilyNames();

// kUsage naming the family that is nearest in its mathematics, where it is known, and all of them.
// `text_model_type`: what config.json says of a text model in it.
const ModelFamily& FindFamily(const std::string& model_type, const std::string& file_name,
                              const std::string& text_model_type = "");

}  // namespace cohort::policy
