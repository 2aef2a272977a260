#pragma once

// Names and shapes of a model's tensors in memory: Hugging Face names, except that the routed
// experts of a layer are fused into one 3-D tensor, which is what a grouped matrix product wants.

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "policy/config/config.h"

namespace cohort::policy {

// clang-format off
//   model.embed_tokens.weight                             [V, D]
//   model.layers.L.NAME.weight                            [D]        the layer's norms: LayerNormNames
// Grouped-query attention:
//   model.layers.L.self_attn.{q,k,v}_proj.weight          [heads * head_dim, D]
//   model.layers.L.self_attn.{q,k,v}_proj.bias            [heads * head_dim]   with qkv_bias
//   model.layers.L.self_attn.qkv_proj.weight              [rows of q, k and v, D]  in their place, with
//                                                         fused_projections; its bias too
//   model.layers.L.self_attn.q_proj.weight                [2 * H * head_dim, D]  with gated_output: of each
//                                                         head its query, then its gate
//   model.layers.L.self_attn.{q,k}_norm.weight            [head_dim] or [heads * head_dim], as qk_norm says
//   model.layers.L.self_attn.sinks                        [H]        with has_sinks
//   model.layers.L.self_attn.o_proj.weight                [D, H * head_dim]    and its bias with output_bias
// Latent attention with qk_nope n, qk_rope p, v_head_dim v:
//   model.layers.L.self_attn.q_proj.weight                [H * (n + p), D]     without q_lora_rank
//   model.layers.L.self_attn.q_a_proj.weight              [q rank, D]          with it
//   model.layers.L.self_attn.q_a_layernorm.weight         [q rank]
//   model.layers.L.self_attn.q_b_proj.weight              [H * (n + p), q rank]
//   model.layers.L.self_attn.kv_a_proj_with_mqa.weight    [kv rank + p, D]
//   model.layers.L.self_attn.kv_a_layernorm.weight        [kv rank]
//   model.layers.L.self_attn.kv_b_proj.weight             [H * (n + v), kv rank]
//   model.layers.L.self_attn.o_proj.weight                [D, H * v]
// Gated delta nets with G key heads of key_dim, H value heads of value_dim, conv_width W, N = 2 * G *
// key_dim + H * value_dim:
//   model.layers.L.linear_attn.in_proj_qkvz.weight        [N + H * value_dim, D]  of each key head its query,
//                                                         its key, its value heads' values and gates
//   model.layers.L.linear_attn.in_proj_ba.weight          [2H, D]    of each key head its value heads' b, then a
//   model.layers.L.linear_attn.in_proj_{qkv,z,b,a}.weight in their place with separate_projections: [N, D],
//                                                         [H * value_dim, D], [H, D] twice
//   model.layers.L.linear_attn.conv1d.weight              [N, 1, W]
//   model.layers.L.linear_attn.{A_log,dt_bias}            [H]
//   model.layers.L.linear_attn.norm.weight                [value_dim]
//   model.layers.L.linear_attn.out_proj.weight            [D, H * value_dim]
// Dense layers, then MoE layers:
//   model.layers.L.mlp.{gate,up}_proj.weight              [F, D]
//   model.layers.L.mlp.gate_up_proj.weight                [2F, D]    in the place of gate and up, with
//                                                         fused_projections
//   model.layers.L.mlp.down_proj.weight                   [D, F]
//   model.layers.L.mlp.gate.weight                        [E, D]
//   model.layers.L.mlp.gate.bias                          [E]        with router_bias
//   model.layers.L.mlp.gate.e_score_correction_bias       [E]        with selection_bias; fp32, no gradient
//   model.layers.L.mlp.experts.gate_up_proj               [E, 2m, D] rows 0..m-1 gate, m..2m-1 up
//   model.layers.L.mlp.experts.gate_up_proj_bias          [E, 2m]    with expert_bias
//   model.layers.L.mlp.experts.down_proj                  [E, D, m]
//   model.layers.L.mlp.experts.down_proj_bias             [E, D]     with expert_bias
//   model.layers.L.mlp.shared_experts.{gate,up,down}_proj.weight     of width shared_width
//   model.layers.L.mlp.shared_expert_gate.weight          [1, D]     with shared_gate
//   model.norm.weight                                     [D]
//   lm_head.weight                                        [V, D]     absent when tied
// Multi-token-prediction layers, L = num_layers on, have a layer's tensors and:
//   model.layers.L.{enorm,hnorm}.weight                   [D]
//   model.layers.L.eh_proj.weight                         [D, 2D]    the embedding's half first
//   model.layers.L.shared_head.norm.weight                [D]
// clang-format on
using WeightMap = std::map<std::string, at::Tensor>;

// Names of a layer's norms of what attention and FFN take and give; empty: there is none.
struct LayerNormNames {
  std::string attention_in, attention_out, ffn_in, ffn_out;
};
LayerNormNames NormNames(NormPlacement placement);

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
};

// Every tensor that a model of this shape has, in layer order.
std::vector<TensorSpec> ExpectedTensors(const ModelConfig& config);

// True for the tensors of multi-token-prediction layers: those from index num_layers on.
bool IsOfMtpLayer(const ModelConfig& config, const std::string& name);
// The model without them: what a decoder runs.
ModelConfig WithoutMtpLayers(ModelConfig config);
WeightMap WithoutMtpLayers(const ModelConfig& config, WeightMap weights);

int64_t CountParameters(const ModelConfig& config);

// The count of missing, unexpected and mis-shaped tensors and the first five names of each, beside
// a missing or unexpected one the nearest name of the other kind; "" where all is as expected.
std::string ShapeProblems(const std::vector<TensorSpec>& expected,
                          const std::map<std::string, std::vector<int64_t>>& found);
// kUsage with them.
void CheckShapes(const std::vector<TensorSpec>& expected,
                 const std::map<std::string, std::vector<int64_t>>& found,
                 const std::string& source);
// The same for a model's tensors in memory.
void CheckWeights(const ModelConfig& config, const WeightMap& weights, const std::string& source);

// Fresh weights: normal(0, 0.02), residual outputs (o_proj, down_proj) scaled by 1/sqrt(2 *
// layers), norms 1 (0 with norm_adds_one), biases and sinks 0. Deterministic in `seed`.
WeightMap InitialWeights(const ModelConfig& config, uint64_t seed);
// One of them.
at::Tensor InitialTensor(const ModelConfig& config, const TensorSpec& spec, uint64_t seed);

}  // namespace cohort::policy
