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
#include "policy/tensor/dtype.h"

namespace cohort::policy {

enum class AttentionKind {
  kGroupedQuery,  // arXiv 2305.13245
  kLatent,        // multi-head latent attention, arXiv 2405.04434 section 2.1
};

struct AttentionConfig {
  AttentionKind kind = AttentionKind::kGroupedQuery;
  int64_t num_heads = 0;  // H

  // Grouped-query.
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  bool qkv_bias = false;       // q_proj, k_proj and v_proj have one, o_proj has none
  bool qk_norm = false;        // RMSNorm of every query and key head, before the rotation
  int64_t partly_rotated = 0;  // only the first channels of a head rotate, this many; 0: all
  // A token of a windowed layer sees itself and the sliding_window - 1 tokens before it (arXiv
  // 2310.06825 section 2). 0: no layer has a window.
  int64_t sliding_window = 0;
  std::vector<int64_t> full_layers;  // layers without one, ascending

  // Latent: a head's query and key are [nope | rope], its value is of another width.
  int64_t q_lora_rank = 0;  // 0: q_proj at once, in place of q_a_proj, norm, q_b_proj
  int64_t kv_lora_rank = 0;
  int64_t qk_nope_head_dim = 0;
  int64_t qk_rope_head_dim = 0;
  int64_t v_head_dim = 0;

  bool latent() const { return kind == AttentionKind::kLatent; }
  // Widths of one head's query (and key), of its rotated part and of its value.
  int64_t query_dim() const { return latent() ? qk_nope_head_dim + qk_rope_head_dim : head_dim; }
  int64_t rotary_dim() const {
    return latent() ? qk_rope_head_dim : partly_rotated > 0 ? partly_rotated : head_dim;
  }
  int64_t value_dim() const { return latent() ? v_head_dim : head_dim; }
  int64_t WindowOf(int64_t layer) const;  // 0: the layer sees all
  bool operator==(const AttentionConfig&) const = default;
};

// The eps of q_a_layernorm and kv_a_layernorm: DeepSeek's classes keep it whatever rms_norm_eps is.
constexpr double kLatentNormEps = 1e-6;

// kDynamic lowers the frequencies of sequences beyond max_positions only (transformers'
// _compute_dynamic_ntk_parameters), and no sequence goes there: within it is kDefault.
enum class RopeKind { kDefault, kLinear, kDynamic, kLlama3, kYarn };

// Rotary positions (arXiv 2104.09864) and their scaling; policy/config/rope_frequencies.h computes
// them.
struct RopeConfig {
  RopeKind kind = RopeKind::kDefault;
  double base = 10000.0;
  // Pairs of channels that rotate together: (2i, 2i + 1) when interleaved, else (i, i + dim / 2).
  bool interleaved = false;

  // The part of a head's channels that rotates.
  double partial_rotary_factor = 1.0;
  double factor = 1.0;                 // linear, dynamic, llama3, yarn
  int64_t original_max_positions = 0;  // context before scaling
  double low_freq_factor = 1.0;        // llama3
  double high_freq_factor = 4.0;
  double beta_fast = 32.0;  // yarn, arXiv 2309.00071
  double beta_slow = 1.0;
  bool truncate = true;  // round the ramp's ends to whole channels
  std::optional<double> attention_factor;
  double mscale = 0.0;  // 0: absent
  double mscale_all_dim = 0.0;
  bool operator==(const RopeConfig&) const = default;
};

using kernels::GateScore;
using kernels::GroupScore;

// Mixture of experts; the defaults are DeepSeek-V3's (arXiv 2412.19437, eq. 12-16) without groups.
// num_experts == 0 means a dense model.
struct MoeConfig : kernels::GateRule {  // which experts a token goes to
  bool selection_bias = true;      // e_score_correction_bias: added for choosing, not for weighing
  int64_t num_shared_experts = 0;  // width of the shared expert = num_shared_experts * expert_width
  int64_t expert_width = 0;        // m

  // The MoE layers; the others have a dense FFN of width ffn_width.
  int64_t first_dense_layers = 0;     // layers before this index are dense
  int64_t sparse_step = 1;            // layer i is dense unless (i + 1) % sparse_step == 0
  std::vector<int64_t> dense_layers;  // more dense ones, by index
  bool operator==(const MoeConfig&) const = default;
};

// A folder's multi-token-prediction layers are loaded or left out: the decoder has no use for
// them.
enum class MtpLayers { kLeaveOut, kLoad };

struct ModelConfig {
  std::string family = "llama";  // Hugging Face's model_type
  int64_t vocab_size = 0;        // V
  int64_t width = 0;             // D
  int64_t num_layers = 0;
  int64_t ffn_width = 0;      // dense layers
  int64_t max_positions = 0;  // context length
  double norm_eps = 1e-5;
  bool tie_embeddings = false;
  int64_t bos_id = -1;  // -1: none
  std::vector<int64_t> eos_ids;
  int64_t pad_id = -1;  // -1: none; its row of the embedding takes no gradient, as in transformers
  // Multi-token-prediction layers, whose indices follow the others'
  // (policy/transformer/mtp_layer.h). A folder may announce some and hold none.
  int64_t num_mtp_layers = 0;
  AttentionConfig attention;
  RopeConfig rope;
  MoeConfig moe;

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
