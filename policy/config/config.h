#pragma once

// The shape of a model, as config.json states it. Which fields a family has:
// policy/config/family.h.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cpu/gate.h"
#include "kernels/cpu/gated_unit.h"
#include "policy/config/attention_config.h"
#include "policy/config/rope_config.h"
#include "policy/tensor/dtype.h"

namespace cohort::policy {

using kernels::GatedUnit;
using kernels::GateScore;
using kernels::GroupScore;

// Mixture of experts; the defaults are DeepSeek-V3's (arXiv 2412.19437, eq. 12-16) without groups.
// num_experts == 0 means a dense model.
struct MoeConfig : kernels::GateRule {  // which experts a token goes to
  bool selection_bias = true;  // e_score_correction_bias: added for choosing, not for weighing
  bool router_bias = false;    // added to the router's logits
  int64_t expert_width = 0;    // m
  bool expert_bias = false;    // of the routed experts' projections
  int64_t shared_width = 0;    // of the shared expert; 0: there is none
  bool shared_gate = false;    // its output is multiplied by the sigmoid of a gate of its own

  // The MoE layers; the others have a dense FFN of width ffn_width.
  int64_t first_dense_layers = 0;     // layers before this index are dense
  int64_t sparse_step = 1;            // layer i is dense unless (i + 1) % sparse_step == 0
  std::vector<int64_t> dense_layers;  // more dense ones, by index
  bool operator==(const MoeConfig&) const = default;
};

// A folder's multi-token-prediction layers are loaded or left out: the decoder has no use for
// them.
enum class MtpLayers { kLeaveOut, kLoad };

enum class NormPlacement {
  kBefore,  // of the inputs of attention and FFN
  kAfter,   // of their outputs, before they are added
  kAround,  // both
};

struct ModelConfig {
  std::string family = "llama";  // Hugging Face's model_type
  int64_t vocab_size = 0;        // V
  int64_t width = 0;             // D
  int64_t num_layers = 0;
  int64_t ffn_width = 0;      // dense layers
  int64_t max_positions = 0;  // context length
  NormPlacement norm_placement = NormPlacement::kBefore;
  double norm_eps = 1e-5;
  bool norm_adds_one = false;  // norms multiply by 1 + weight
  GatedUnit gated_unit = GatedUnit::kSwiGlu;
  bool fused_projections = false;  // qkv_proj and gate_up_proj in place of three and of two
  double embedding_scale = 1.0;    // of the embedding's rows
  double residual_scale = 1.0;     // of what each attention and FFN adds
  double logit_scale = 1.0;
  double logit_soft_cap = 0.0;  // logits become cap tanh(logit / cap); 0: none
  bool tie_embeddings = false;
  int64_t bos_id = -1;  // -1: none
  std::vector<int64_t> eos_ids;
  int64_t pad_id = -1;  // -1: none; its row of the embedding takes no gradient, as in transformers
  // Multi-token-prediction layers, whose indices follow the others'
  // (policy/transformer/mtp_layer.h). A folder may announce some and hold none.
  int64_t num_mtp_layers = 0;
  AttentionConfig attention;
  LinearAttentionConfig linear;
  RopeConfig rope;
  std::optional<RopeConfig> windowed_rope;  // of layers with a window, where theirs is another
  MoeConfig moe;

  const RopeConfig& RopeOf(int64_t layer) const {
    return windowed_rope && attention.WindowOf(layer) > 0 ? *windowed_rope : rope;
  }
  bool IsMoeLayer(int64_t layer) const;
  bool operator==(const ModelConfig&) const = default;
};

// Reads transformers 4 and 5 dialects. A field that changes the mathematics and is not supported is
// refused by name (kUsage), never ignored; a missing or ill-typed field is named with the file.
ModelConfig ParseConfig(const nlohmann::json& config, const std::string& file_name);
ModelConfig ReadConfig(const std::filesystem::path& config_json);

// config.json that transformers 4 and 5 load, of a folder with weights of `dtype`. For kFloat8E4m3
// it has a quantization_config, and bfloat16 as the dtype of the other tensors.
nlohmann::json ConfigToJson(const ModelConfig& config, Dtype dtype);

}  // namespace cohort::policy
