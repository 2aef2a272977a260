#include "policy/gguf/layouts.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <charconv>
#include <map>
#include <string_view>

namespace cohort::policy {
namespace {

struct LayerTensor {
  const char* name;
  int part = 0;
};

// blk.L.<key> -> model.layers.L.<name> (gguf-py/gguf/tensor_mapping.py).
const std::map<std::string, LayerTensor, std::less<>> kLayerNames = {
    {"attn_norm.weight", {"input_layernorm.weight"}},
    {"post_attention_norm.weight", {"post_attention_layernorm.weight"}},
    {"post_ffw_norm.weight", {"post_feedforward_layernorm.weight"}},
    {"attn_q.weight", {"self_attn.q_proj.weight"}},
    {"attn_q.bias", {"self_attn.q_proj.bias"}},
    {"attn_q_norm.weight", {"self_attn.q_norm.weight"}},
    {"attn_k.weight", {"self_attn.k_proj.weight"}},
    {"attn_k.bias", {"self_attn.k_proj.bias"}},
    {"attn_k_norm.weight", {"self_attn.k_norm.weight"}},
    {"attn_v.weight", {"self_attn.v_proj.weight"}},
    {"attn_v.bias", {"self_attn.v_proj.bias"}},
    {"attn_q_a.weight", {"self_attn.q_a_proj.weight"}},
    {"attn_q_a_norm.weight", {"self_attn.q_a_layernorm.weight"}},
    {"attn_q_b.weight", {"self_attn.q_b_proj.weight"}},
    {"attn_kv_a_mqa.weight", {"self_attn.kv_a_proj_with_mqa.weight"}},
    {"attn_kv_a_norm.weight", {"self_attn.kv_a_layernorm.weight"}},
    {"attn_kv_b.weight", {"self_attn.kv_b_proj.weight"}},
    {"attn_k_b.weight", {"self_attn.kv_b_proj.weight"}},
    {"attn_v_b.weight", {"self_attn.kv_b_proj.weight", 1}},
    {"attn_output.weight", {"self_attn.o_proj.weight"}},
    {"attn_output.bias", {"self_attn.o_proj.bias"}},
    {"attn_sinks.weight", {"self_attn.sinks"}},
    {"ssm_in.weight", {"linear_attn.in_proj_qkvz.weight"}},
    {"ssm_ba.weight", {"linear_attn.in_proj_ba.weight"}},
    {"ssm_alpha.weight", {"linear_attn.in_proj_a.weight"}},
    {"ssm_beta.weight", {"linear_attn.in_proj_b.weight"}},
    {"ssm_conv1d.weight", {"linear_attn.conv1d.weight"}},
    {"ssm_a", {"linear_attn.A_log"}},
    {"ssm_dt.bias", {"linear_attn.dt_bias"}},
    {"ssm_norm.weight", {"linear_attn.norm.weight"}},
    {"ssm_out.weight", {"linear_attn.out_proj.weight"}},
    {"ffn_gate.weight", {"mlp.gate_proj.weight"}},
    {"ffn_up.weight", {"mlp.up_proj.weight"}},
    {"ffn_down.weight", {"mlp.down_proj.weight"}},
    {"ffn_gate_shexp.weight", {"mlp.shared_experts.gate_proj.weight"}},
    {"ffn_up_shexp.weight", {"mlp.shared_experts.up_proj.weight"}},
    {"ffn_down_shexp.weight", {"mlp.shared_experts.down_proj.weight"}},
    {"ffn_gate_inp_shexp.weight", {"mlp.shared_expert_gate.weight"}},
    {"exp_probs_b.bias", {"mlp.gate.e_score_correction_bias"}},
    {"ffn_gate_inp.weight", {"mlp.gate.weight"}},
    {"ffn_gate_inp.bias", {"mlp.gate.bias"}},
    {"ffn_gate_exps.weight", {"mlp.experts.gate_up_proj"}},
    {"ffn_up_exps.weight", {"mlp.experts.gate_up_proj", 1}},
    {"ffn_down_exps.weight", {"mlp.experts.down_proj"}},
    {"ffn_gate_exps.bias", {"mlp.experts.gate_up_proj_bias"}},
    {"ffn_up_exps.bias", {"mlp.experts.gate_up_proj_bias", 1}},
    {"ffn_down_exps.bias", {"mlp.experts.down_proj_bias"}},
};

LayerTensor TensorOf(const ModelConfig& config, std::string_view module) {
  const bool around = config.norm_placement == NormPlacement::kAround;
  const bool separate = config.linear.separate_projections;
  if (module == "ffn_norm.weight") {
    return {around ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight"};
  }
  if (module == "attn_qkv.weight") {
    if (config.fused_projections) return {"self_attn.qkv_proj.weight"};
    return {separate ? "linear_attn.in_proj_qkv.weight" : "linear_attn.in_proj_qkvz.weight"};
  }
  if (module == "attn_gate.weight") {
    if (separate) return {"linear_attn.in_proj_z.weight"};
    return {"linear_attn.in_proj_qkvz.weight", 1};
  }
  if (module == "ffn_up.weight" && config.fused_projections) return {"mlp.gate_up_proj.weight"};
  const auto found = kLayerNames.find(module);
  return found == kLayerNames.end() ? LayerTensor{""} : found->second;
}

// llama.cpp rotates neighbouring pairs (x0 x1)(x2 x3).. and stores the rows of q and k for that;
// Hugging Face rotates (x0 x_{d/2}).. : [heads, d/2, 2, D] -> [heads, 2, d/2, D].
at::Tensor RowsForHalfRotation(const at::Tensor& weight, int64_t heads) {
  return weight.view({heads, -1, 2, weight.size(1)}).transpose(1, 2).reshape(weight.sizes());
}

// Keys [H, R, nope] and values [H, v, R] of latent attention as [H (nope + v), R]
// (DeepseekV2Model.modify_tensors of llama.cpp's converter).
at::Tensor JoinLatent(const at::Tensor& keys, const at::Tensor& values) {
  return at::cat({keys.transpose(1, 2), values}, 1).flatten(0, 1);
}

// Rows of queries, keys and values, [G k | G k | G r v], and of the gate, [G r v], as those of each
// of the G key heads one after the other, [G, k + k + r v + r v] (Qwen3NextModel).
at::Tensor JoinQkvz(const LinearAttentionConfig& linear, const at::Tensor& qkv,
                    const at::Tensor& gate) {
  const int64_t heads = linear.num_key_heads, keys = heads * linear.key_dim;
  const int64_t values = linear.num_value_heads * linear.value_dim;
  std::vector<at::Tensor> parts = qkv.split_with_sizes({keys, keys, values}, 0);
  parts.push_back(gate);
  for (at::Tensor& part : parts) part = part.view({heads, -1, part.size(1)});
  return at::cat(parts, 1).flatten(0, 1);
}

// llama.cpp repeats key heads as a whole, Hugging Face each one beside itself: value heads [r, G,
// w]
// -> [G, r, w] along `dim` (_LinearAttentionVReorderBase).
at::Tensor ValueHeadsBeside(const LinearAttentionConfig& linear, const at::Tensor& tensor,
                            int64_t dim) {
  const int64_t heads = linear.num_key_heads, each = linear.num_value_heads / heads;
  return tensor.unflatten(dim, {each, heads, -1}).transpose(dim, dim + 1).flatten(dim, dim + 2);
}

// The last of `rows` rows only: those before belong to queries and keys.
at::Tensor LastValueHeadsBeside(const LinearAttentionConfig& linear, const at::Tensor& tensor) {
  const int64_t keys = 2 * linear.num_key_heads * linear.key_dim;
  const std::vector<at::Tensor> parts =
      tensor.split_with_sizes({keys, linear.num_value_heads * linear.value_dim}, 0);
  return at::cat({parts[0], ValueHeadsBeside(linear, parts[1], 0)}, 0);
}

at::Tensor OfLinearAttention(const LinearAttentionConfig& linear, const std::string& name,
                             at::Tensor tensor) {
  // Only the architectures with separate projections are reordered.
  const bool reordered = linear.separate_projections;
  if (name.ends_with(".A_log")) tensor = tensor.neg().log();
  if (name.ends_with(".conv1d.weight")) {
    if (reordered) tensor = LastValueHeadsBeside(linear, tensor);
    return tensor.unsqueeze(1);
  }
  if (!reordered || name.ends_with(".norm.weight")) return tensor;
  if (name.ends_with(".in_proj_qkv.weight")) return LastValueHeadsBeside(linear, tensor);
  return ValueHeadsBeside(linear, tensor, name.ends_with(".out_proj.weight") ? 1 : 0);
}

}  // namespace

GgufPlace PlaceOfGgufTensor(const ModelConfig& config, const std::string& name) {
  if (name == "token_embd.weight") return {"model.embed_tokens.weight"};
  if (name == "output_norm.weight") return {"model.norm.weight"};
  if (name == "output.weight") return {"lm_head.weight"};
  constexpr std::string_view kPrefix = "blk.";
  const size_t dot = name.find('.', kPrefix.size());
  if (!name.starts_with(kPrefix) || dot == std::string::npos) return {};
  GgufPlace place;
  const char* end = name.data() + dot;
  const auto [rest, failed] = std::from_chars(name.data() + kPrefix.size(), end, place.layer);
  if (failed != std::errc() || rest != end || place.layer < 0) return {};
  const std::string_view module = std::string_view(name).substr(dot + 1);
  place.is_indexer = config.attention.latent() && module.starts_with("indexer.");
  const LayerTensor target = TensorOf(config, module);
  if (*target.name == '\0') return place;
  place.name = "model.layers." + std::to_string(place.layer) + "." + target.name;
  place.part = target.part;
  return place;
}

at::Tensor FromGgufLayout(const ModelConfig& config, bool reorders_rows, const std::string& name,
                          const std::vector<at::Tensor>& parts) {
  const at::Tensor& first = parts.at(0);
  if (parts.size() == 2) {
    if (name.ends_with(".kv_b_proj.weight")) return JoinLatent(first, parts[1]);
    if (name.ends_with(".in_proj_qkvz.weight")) return JoinQkvz(config.linear, first, parts[1]);
    return at::cat(parts, 1);
  }
  const AttentionConfig& attention = config.attention;
  if (reorders_rows && name.ends_with(".q_proj.weight")) {
    return RowsForHalfRotation(first, attention.num_heads);
  }
  if (reorders_rows && name.ends_with(".k_proj.weight")) {
    return RowsForHalfRotation(first, attention.num_kv_heads);
  }
  if (name.find(".linear_attn.") != std::string::npos) {
    return OfLinearAttention(config.linear, name, first);
  }
  // The converter adds the one.
  if (config.norm_adds_one && name.ends_with("norm.weight")) return first - 1;
  if (name.ends_with(".shared_expert_gate.weight")) return first.reshape({1, -1});
  return first;
}

}  // namespace cohort::policy
