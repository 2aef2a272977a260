#pragma once

// The weights of one attention layer in the layout that the kernels read. Grouped-query attention
// keeps its tensors as they are. Latent attention has two forms (arXiv 2405.04434 section 2.1).
// Absorbed, kv_b_proj is cut into a part that carries a head's query to the latent's space, and a
// part that carries what the head gathered there to its value: the cache keeps the latent alone.
// Expanded, kv_b_proj makes keys and values of all heads of it, which the cache keeps: the
// operations are the learner's, bit for bit.
//
// H heads; n, p, v = qk_nope, qk_rope and v_head_dim; r = kv_lora_rank.

#include <string>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/thread_pool.h"
#include "policy/config/config.h"
#include "policy/weights/weight_source.h"

namespace cohort::rollout {

enum class LatentForm { kAbsorbed, kExpanded };

// The layout of a token of one layer in the KV cache. Latent attention keeps [r | p], once, or for
// each head a key [n | p] and a value [v].
kernels::KvLayout KvLayoutOf(const policy::AttentionConfig& attention,
                             LatentForm form = LatentForm::kAbsorbed);

// The columns of the layer's first product, each part padded to whole panels. Grouped-query:
// queries, keys, values, and gates where the output has them. Latent: queries [H, n + p], or their
// compression where there is a q_lora_rank; then the token's [r | p] as key; no values and gates.
struct AttentionColumns {
  explicit AttentionColumns(const policy::AttentionConfig& attention);

  int64_t query_width, key_width, value_width, gate_width;

  int64_t key_offset() const { return kernels::PadToPanel(query_width); }
  int64_t value_offset() const { return key_offset() + kernels::PadToPanel(key_width); }
  int64_t gate_offset() const { return value_offset() + kernels::PadToPanel(value_width); }
  int64_t total() const { return gate_offset() + kernels::PadToPanel(gate_width); }
};

// Floats from one head's value to the next in the rows that `output` multiplies: absorbed, each
// head's product writes whole panels.
int64_t ValueStride(const policy::AttentionConfig& attention, LatentForm form);

struct AttentionWeights {
  kernels::PackedMatrix input;     // columns as AttentionColumns says
  std::vector<float> input_bias;   // one a column; empty without qkv_bias
  std::vector<float> output_bias;  // [D]; empty without one
  std::vector<float> sinks;        // [H]; empty without them
  // With qk_norm [head_dim], or of the whole projection's width; latent: [q_lora_rank] with one,
  // and [r]; else empty.
  std::vector<float> query_norm, key_norm;
  kernels::PackedMatrix query;       // q_b_proj [H * (n + p), q_lora_rank]; empty without the rank
  kernels::PackedMatrix key_part;    // absorbed: H matrices [r, n] side by side
  kernels::PackedMatrix value_part;  // absorbed: H matrices [v, r] side by side
  kernels::PackedMatrix expand;      // expanded: kv_b_proj [H * (n + v), r]
  kernels::PackedMatrix output;      // o_proj, its depth H * ValueStride
};

// std::bad_alloc when memory does not suffice.
AttentionWeights AllocateAttention(const policy::ModelConfig& config, kernels::Storage storage,
                                   LatentForm form);

// Numbers that the matrices of a layer hold.
int64_t AttentionWeightCount(const policy::ModelConfig& config, LatentForm form);

// Fills all of a layer's; `prefix` ends in "self_attn.". Errors as TakeTensor's.
void LoadAttention(kernels::ThreadPool& pool, const policy::ModelConfig& config,
                   policy::WeightSource& weights, const std::string& prefix,
                   AttentionWeights* attention);

}  // namespace cohort::rollout
