#include "policy/config.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

void AddMoe(const MoeConfig& moe, json& out) {
  out["n_routed_experts"] = moe.num_experts;
  out["num_experts_per_tok"] = moe.experts_per_token;
  out["n_shared_experts"] = moe.num_shared_experts;
  out["moe_intermediate_size"] = moe.expert_width;
  out["first_k_dense_replace"] = moe.first_dense_layers;
  out["routed_scaling_factor"] = moe.routed_scaling;
  out["norm_topk_prob"] = moe.normalize_weights;
  out["n_group"] = 1;
  out["topk_group"] = 1;
  out["use_qk_norm"] = false;
  // The classes' default is 0.5; transformers 4 reads it here, 5 in rope_parameters.
  out["partial_rotary_factor"] = 1.0;
  out["rope_parameters"]["partial_rotary_factor"] = 1.0;
  out["num_nextn_predict_layers"] = 0;
}

}  // namespace

json ConfigToJson(const ModelConfig& config, const std::string& dtype) {
  const bool has_moe = config.moe.num_experts > 0;
  json out = {{"architectures", {has_moe ? "Glm4MoeForCausalLM" : "LlamaForCausalLM"}},
              {"model_type", has_moe ? "glm4_moe" : "llama"},
              {"vocab_size", config.vocab_size},
              {"hidden_size", config.width},
              {"num_hidden_layers", config.num_layers},
              {"num_attention_heads", config.num_heads},
              {"num_key_value_heads", config.num_kv_heads},
              {"head_dim", config.head_dim},
              {"intermediate_size", config.ffn_width},
              {"max_position_embeddings", config.max_positions},
              {"rms_norm_eps", config.norm_eps},
              {"tie_word_embeddings", config.tie_embeddings},
              {"hidden_act", "silu"},
              {"attention_bias", false},
              {"attention_dropout", 0.0},
              {"initializer_range", 0.02},
              {"use_cache", true}};
  // Both dialects: transformers 4 reads the top-level fields, 5 the nested ones.
  out["rope_theta"] = config.rope_base;
  out["rope_scaling"] = nullptr;
  out["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", config.rope_base}};
  out["torch_dtype"] = dtype;
  out["dtype"] = dtype;
  out["bos_token_id"] = config.bos_id >= 0 ? json(config.bos_id) : json();
  out["eos_token_id"] = config.eos_ids.empty()       ? json()
                        : config.eos_ids.size() == 1 ? json(config.eos_ids[0])
                                                     : json(config.eos_ids);
  if (has_moe) {
    AddMoe(config.moe, out);
  } else {
    out["mlp_bias"] = false;
  }
  return out;
}

int64_t CountParameters(const ModelConfig& c) {
  const int64_t attention = 2 * c.width * c.num_heads * c.head_dim +
                            2 * c.width * c.num_kv_heads * c.head_dim + 2 * c.width;
  const int64_t dense = 3 * c.width * c.ffn_width;
  const int64_t experts =
      (c.moe.num_experts + c.moe.num_shared_experts) * 3 * c.width * c.moe.expert_width +
      c.moe.num_experts * (c.width + 1);
  int64_t total = (c.tie_embeddings ? 1 : 2) * c.vocab_size * c.width + c.width;
  for (int64_t layer = 0; layer < c.num_layers; ++layer) {
    total += attention + (c.IsMoeLayer(layer) ? experts : dense);
  }
  return total;
}

}  // namespace cohort::policy
