#include "rollout/cpu/model_check.h"

#include <string>
#include <utility>

#include "base/error.h"
#include "policy/weights/model_size.h"
#include "rollout/cpu/attention_weights.h"

namespace cohort::rollout {

namespace {

void Require(bool condition, const std::string& complaint) {
  if (!condition) throw Error(ErrorCode::kUsage, complaint);
}

// Combinations that a config can ask for and no family has.
void CheckSupported(const policy::ModelConfig& config) {
  const policy::AttentionConfig& attention = config.attention;
  const std::pair<bool, const char*> missing[] = {
      {attention.latent() && attention.qkv_bias, "biases in latent attention"},
      {attention.latent() && attention.qk_norm != policy::QkNorm::kNone,
       "norms of query and key heads in latent attention"},
      {config.moe.num_experts > 0 && (config.norm_placement != policy::NormPlacement::kBefore ||
                                      config.residual_scale != 1.0),
       "norms or factors of what a mixture of experts adds"},
      {attention.latent() && (attention.has_sinks || attention.soft_cap > 0),
       "sinks or a soft cap in latent attention"},
      {policy::CachedTokens(config, 1) == 0, "models without a layer of attention"},
      {config.attention.gated_output && (config.attention.latent() || config.fused_projections),
       "gates of the output of latent attention or beside fused projections"},
      {!config.linear.layers.empty() && config.rope.kind == policy::RopeKind::kLongRope,
       "a long rope beside gated delta nets"},
      {config.rope.interleaved && !attention.latent(),
       "interleaved rotary positions in grouped-query attention"},
  };
  for (const auto& [needed, name] : missing) {
    Require(!needed, "the decoder does not have " + std::string(name) + ", which the family '" +
                         config.family + "' needs here");
  }
}

void CheckAttention(const policy::AttentionConfig& attention) {
  const int64_t kv_heads = KvLayoutOf(attention).kv_heads;
  Require(attention.num_heads > 0 && kv_heads > 0 && attention.query_dim() > 0 &&
              attention.value_dim() > 0 &&
              (!attention.latent() ||
               (attention.kv_lora_rank > 0 && attention.q_lora_rank >= 0 &&
                attention.qk_nope_head_dim > 0 && attention.qk_rope_head_dim > 0)),
          "the model's config has a size of attention that is not positive");
  Require(attention.num_heads % kv_heads == 0, "num_heads (" + std::to_string(attention.num_heads) +
                                                   ") is not a multiple of num_kv_heads (" +
                                                   std::to_string(kv_heads) + ")");
  Require(attention.rotary_dim() % 2 == 0, "the rotated part of a head (" +
                                               std::to_string(attention.rotary_dim()) +
                                               ") must be even for rotary positions");
}

void CheckMoe(const policy::MoeConfig& moe) {
  Require(moe.experts_per_token >= 1 && moe.experts_per_token <= moe.num_experts &&
              moe.expert_width >= 1,
          "a mixture of experts needs 1 <= experts_per_token <= num_experts and a positive "
          "expert_width");
  Require(!moe.shared_gate || moe.shared_width >= 1,
          "a gate of the shared expert needs a shared expert, a positive shared_width");
  const int64_t groups = moe.num_groups;
  if (groups == 1) return;
  Require(groups >= 1 && moe.num_experts % groups == 0, "num_groups (" + std::to_string(groups) +
                                                            ") does not divide num_experts (" +
                                                            std::to_string(moe.num_experts) + ")");
  const int64_t size = moe.num_experts / groups;
  Require(moe.group_score == policy::GroupScore::kMax || size >= 2,
          "a group that is ranked by its two best experts needs at least 2");
  Require(moe.groups_per_token >= 1 && moe.groups_per_token <= groups &&
              moe.experts_per_token <= moe.groups_per_token * size,
          "groups_per_token (" + std::to_string(moe.groups_per_token) +
              ") must be in 1..num_groups and hold experts_per_token experts");
}

}  // namespace

void CheckModel(const policy::ModelConfig& config) {
  CheckSupported(config);
  Require(config.vocab_size > 0 && config.width > 0 && config.num_layers > 0 &&
              config.max_positions > 0,
          "the model's config has a size that is not positive");
  CheckAttention(config.attention);
  bool has_dense = false;
  for (int64_t i = 0; i < config.num_layers; ++i) has_dense = has_dense || !config.IsMoeLayer(i);
  Require(!has_dense || config.ffn_width >= 1, "ffn_width must be positive");
  if (config.moe.num_experts > 0) CheckMoe(config.moe);
}

}  // namespace cohort::rollout
