#pragma once

// The shape of a model's attention, of either kind, and of what may stand in its place.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace cohort::policy {

enum class AttentionKind {
  kGroupedQuery,  // arXiv 2305.13245
  kLatent,        // multi-head latent attention, arXiv 2405.04434 section 2.1
};

// RMSNorm of queries and keys, before the rotation.
enum class QkNorm {
  kNone,
  kHead,        // each head by itself, with one weight [head_dim] for all
  kProjection,  // all channels at once, [heads * head_dim]
};

struct AttentionConfig {
  AttentionKind kind = AttentionKind::kGroupedQuery;
  int64_t num_heads = 0;  // H

  // Grouped-query.
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  bool qkv_bias = false;     // q_proj, k_proj and v_proj have one
  bool output_bias = false;  // o_proj has one
  QkNorm qk_norm = QkNorm::kNone;
  int64_t partly_rotated = 0;             // only the first channels rotate, this many; 0: all
  std::vector<int64_t> unrotated_layers;  // ascending; no channel rotates there
  double scale = 0;                       // of the scores; 0: query_dim^-1/2
  double soft_cap = 0;  // scores become cap tanh(score / cap), arXiv 2408.00118 section 2; 0: none
  bool has_sinks = false;  // a learned logit of each head joins the softmax, with no value
  bool gated_output =
      false;  // q_proj yields [query | gate] a head; o_proj takes out * sigmoid(gate)
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
  // 0: the layer sees all.
  int64_t WindowOf(int64_t layer) const {
    return std::binary_search(full_layers.begin(), full_layers.end(), layer) ? 0 : sliding_window;
  }
  bool Rotates(int64_t layer) const {
    return !std::binary_search(unrotated_layers.begin(), unrotated_layers.end(), layer);
  }
  bool operator==(const AttentionConfig&) const = default;
};

// The eps of q_a_layernorm and kv_a_layernorm: DeepSeek's classes keep it whatever rms_norm_eps is.
constexpr double kLatentNormEps = 1e-6;

// Gated delta nets (arXiv 2412.06464), in the place of attention in some layers.
struct LinearAttentionConfig {
  std::vector<int64_t> layers;  // ascending; empty: none
  int64_t num_key_heads = 0;
  int64_t num_value_heads = 0;
  int64_t key_dim = 0;    // of a head
  int64_t value_dim = 0;  // of a head
  int64_t conv_width = 0;
  // in_proj_qkv, in_proj_z, in_proj_b and in_proj_a, not in_proj_qkvz and in_proj_ba.
  bool separate_projections = false;

  bool Has(int64_t layer) const { return std::binary_search(layers.begin(), layers.end(), layer); }
  bool operator==(const LinearAttentionConfig&) const = default;
};

}  // namespace cohort::policy
