#include "policy/gguf/deepseek.h"

#include <algorithm>

#include "policy/config/fields.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

constexpr int64_t kSoftmax = 1, kSigmoid = 2;  // llama.cpp's llama_expert_gating_func_type

// Whether the router scores by the sigmoid.
bool IsSigmoid(const GgufFile& file, const std::string& architecture) {
  const auto& tensors = file.tensors();
  const bool biased = std::any_of(tensors.begin(), tensors.end(), [](const GgufTensor& tensor) {
    return tensor.name.ends_with(".exp_probs_b.bias");
  });
  const std::string key = architecture + ".expert_gating_func";
  const int64_t gate = file.Integer(key, biased ? kSigmoid : kSoftmax);
  if (gate != kSoftmax && gate != kSigmoid) {
    file.Refuse(key + " is " + std::to_string(gate) + "; expected 1 (softmax) or 2 (sigmoid)");
  }
  return gate == kSigmoid;
}

// The integers of one architecture's metadata.
struct SizesOf {
  const GgufFile& file;
  const std::string& architecture;

  int64_t operator()(const std::string& name, int64_t low, int64_t high) const {
    const std::string key = architecture + "." + name;
    return file.InRange(key, file.Integer(key), low, high);
  }
  int64_t Or(const std::string& name, int64_t low, int64_t high, int64_t missing) const {
    return file.Has(architecture + "." + name) ? (*this)(name, low, high) : missing;
  }
};

}  // namespace

const char* GgufDeepSeekV3OrNone(const GgufFile& file) {
  return IsSigmoid(file, "deepseek2") ? "deepseek_v3" : nullptr;
}

void AddGgufLatentAttention(const GgufFile& file, const std::string& architecture, json* config) {
  const SizesOf size{file, architecture};
  json& out = *config;
  out["kv_lora_rank"] = size("attention.kv_lora_rank", 1, kMaxWidth);
  const int64_t q_rank = size.Or("attention.q_lora_rank", 1, kMaxWidth, 0);
  out["q_lora_rank"] = q_rank > 0 ? json(q_rank) : json();
  // Older files state the heads as they are trained; newer ones beside the heads of the cache.
  const bool both = file.Has(architecture + ".attention.key_length_mla");
  const std::string suffix = both ? "_length_mla" : "_length";
  const int64_t rope = size("rope.dimension_count", 2, kMaxHeadDim);
  const int64_t key = size("attention.key" + suffix, rope + 1, 2 * kMaxHeadDim);
  out["qk_rope_head_dim"] = rope;
  out["qk_nope_head_dim"] = key - rope;
  out["v_head_dim"] = size("attention.value" + suffix, 1, kMaxHeadDim);
  const int64_t top_k = size.Or("attention.indexer.top_k", 1, kMaxSize, 0);
  if (top_k > 0) out["index_topk"] = top_k;
}

void AddGgufDeepSeekExperts(const GgufFile& file, const std::string& architecture, json* config) {
  const SizesOf size{file, architecture};
  json& out = *config;
  const bool softmax = out["model_type"] == "deepseek_v2";
  if (!softmax && !IsSigmoid(file, architecture)) {
    file.Refuse(architecture + ".expert_gating_func is 1 (softmax); expected 2 (sigmoid)");
  }
  out["n_routed_experts"] = size("expert_count", 2, kMaxExperts);
  out["num_experts_per_tok"] = size("expert_used_count", 1, kMaxExperts);
  out["moe_intermediate_size"] = size("expert_feed_forward_length", 1, kMaxWidth);
  out["n_shared_experts"] = size.Or("expert_shared_count", 0, 64, 0);
  out["first_k_dense_replace"] = size.Or("leading_dense_block_count", 0, kMaxLayers, 0);
  out["norm_topk_prob"] = file.Bool(architecture + ".expert_weights_norm", false);
  out["routed_scaling_factor"] = file.Number(architecture + ".expert_weights_scale", 1.0);
  const int64_t groups = size.Or("expert_group_count", 1, kMaxExperts, 1);
  out["n_group"] = groups;
  out["topk_group"] = size.Or("expert_group_used_count", 1, kMaxExperts, 1);
  if (softmax && groups > 1) out["topk_method"] = "group_limited_greedy";
}

}  // namespace cohort::policy
