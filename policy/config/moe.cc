#include "policy/config/moe.h"

#include <algorithm>

#include "base/json_lines.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

// Those of kernels::GatedUnit::kClampedSwiGlu.
constexpr double kSwiGluLimit = 7.0, kSwiGluSlope = 1.702;

constexpr char kShortName[] = "experts_per_token";  // gpt-oss's own

// transformers 5 takes `other` as another name of the same field.
void ReadExperts(const ConfigFields& fields, const char* key, ModelConfig* config,
                 const char* other = "num_local_experts") {
  MoeConfig& moe = config->moe;
  moe.num_experts = fields.Int(fields.NameOf(key, other), 2,
                               std::min(kMaxExperts, kMaxExpertsInAll / config->num_layers));
  moe.experts_per_token =
      fields.Int(fields.NameOf("num_experts_per_tok", kShortName), 1, moe.num_experts);
}

void ReadGroups(const ConfigFields& fields, MoeConfig* moe) {
  const int64_t groups = moe->num_groups;
  const int64_t size = moe->num_experts / groups;
  const int64_t least = moe->group_score == GroupScore::kTopTwoSum && groups > 1 ? 2 : 1;
  if (moe->num_experts % groups != 0 || size < least) {
    fields.Refuse("n_group", std::to_string(groups),
                  "a divisor of the number of experts, " + std::to_string(moe->num_experts) +
                      ", that leaves at least " + std::to_string(least) + " in a group");
  }
  if (moe->experts_per_token > moe->groups_per_token * size) {
    fields.Refuse("num_experts_per_tok", std::to_string(moe->experts_per_token),
                  "at most the " + std::to_string(moe->groups_per_token * size) +
                      " experts in topk_group groups");
  }
}

// The fields that deepseek_v2, deepseek_v3 and glm4_moe have in common.
void ReadDeepSeekExperts(const ConfigFields& fields, ModelConfig* config) {
  MoeConfig& moe = config->moe;
  ReadExperts(fields, "n_routed_experts", config);
  moe.expert_width = fields.Int("moe_intermediate_size", 1, kMaxWidth);
  fields.Only("moe_layer_freq", 1, 1);
}

// transformers 5 lists which layers are dense beside first_k_dense_replace; both must say the same.
void CheckLayerTypes(const ConfigFields& fields, const ModelConfig& config) {
  if (!fields.Has("mlp_layer_types")) return;
  json expected = json::array();
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    expected.push_back(layer < config.moe.first_dense_layers ? "dense" : "sparse");
  }
  if (fields.At("mlp_layer_types") == expected) return;
  fields.Refuse("mlp_layer_types", base::DumpJson(fields.At("mlp_layer_types")),
                "\"dense\" in the first_k_dense_replace layers, " +
                    std::to_string(config.moe.first_dense_layers) +
                    ", and \"sparse\" in the others");
}

// The gate of deepseek_v3 and glm4_moe, and their multi-token-prediction layers.
void ReadSigmoidGate(const ConfigFields& fields, ModelConfig* config) {
  config->num_mtp_layers = fields.IntOr("num_nextn_predict_layers", 0, kMaxLayers, 0);
  CheckLayerTypes(fields, *config);
  MoeConfig& moe = config->moe;
  fields.Only("scoring_func", "sigmoid", "sigmoid");
  fields.Only("topk_method", "noaux_tc", "noaux_tc");
  moe.normalize_weights = fields.BoolOr("norm_topk_prob", true);
  ReadGroups(fields, &moe);
}

void SetSoftmaxGate(MoeConfig* moe) {
  moe->score = GateScore::kSoftmax;
  moe->selection_bias = false;
  moe->group_score = GroupScore::kMax;
}

std::vector<int64_t> ReadDenseLayers(const ConfigFields& fields) {
  std::vector<int64_t> layers;
  if (!fields.Has("mlp_only_layers")) return layers;
  const json& list = fields.At("mlp_only_layers");
  if (!list.is_array() || list.size() > static_cast<size_t>(kMaxLayers)) {
    fields.Refuse("mlp_only_layers", base::DumpJson(list), "a list of layer indices");
  }
  for (const json& layer : list) {
    const json one = {{"mlp_only_layers", layer}};
    layers.push_back(ConfigFields(one, fields.file()).Int("mlp_only_layers", 0, kMaxLayers));
  }
  return layers;
}

// The fields of all Qwen families.
void ReadQwenExperts(const ConfigFields& fields, bool absent_norm_topk_prob, ModelConfig* config) {
  MoeConfig& moe = config->moe;
  SetSoftmaxGate(&moe);
  ReadExperts(fields, "num_experts", config);
  moe.expert_width = fields.Int("moe_intermediate_size", 1, kMaxWidth);
  moe.normalize_weights = fields.BoolOr("norm_topk_prob", absent_norm_topk_prob);
  moe.sparse_step = fields.IntOr("decoder_sparse_step", 1, kMaxLayers, 1);
  moe.dense_layers = ReadDenseLayers(fields);
}

void ReadGatedSharedExpert(const ConfigFields& fields, ModelConfig* config) {
  config->moe.shared_width = fields.Int("shared_expert_intermediate_size", 1, kMaxWidth);
  config->moe.shared_gate = true;
}

// The fields of all families, under the names that theirs are called by.
json ExpertsToJson(const MoeConfig& moe, const char* count, const char* width) {
  return {{count, moe.num_experts},
          {"num_experts_per_tok", moe.experts_per_token},
          {width, moe.expert_width}};
}

json DeepSeekExpertsToJson(const MoeConfig& moe) {
  json out = ExpertsToJson(moe, "n_routed_experts", "moe_intermediate_size");
  out["n_shared_experts"] = moe.shared_width / moe.expert_width;
  out["first_k_dense_replace"] = moe.first_dense_layers;
  out["moe_layer_freq"] = 1;
  out["routed_scaling_factor"] = moe.routed_scaling;
  out["norm_topk_prob"] = moe.normalize_weights;
  out["n_group"] = moe.num_groups;
  out["topk_group"] = moe.groups_per_token;
  return out;
}

}  // namespace

void ReadGlm4Moe(const ConfigFields& fields, ModelConfig* config) {
  ReadDeepSeekExperts(fields, config);
  MoeConfig& moe = config->moe;
  moe.shared_width = moe.expert_width * fields.IntOr("n_shared_experts", 0, 64, 1);
  moe.first_dense_layers = fields.IntOr("first_k_dense_replace", 0, kMaxLayers, 1);
  moe.routed_scaling = fields.PositiveOr("routed_scaling_factor", 1.0);
  moe.num_groups = fields.IntOr("n_group", 1, moe.num_experts, 1);
  moe.groups_per_token = fields.IntOr("topk_group", 1, moe.num_groups, 1);
  ReadSigmoidGate(fields, config);
}

void ReadDeepSeekV3Moe(const ConfigFields& fields, ModelConfig* config) {
  ReadDeepSeekExperts(fields, config);
  MoeConfig& moe = config->moe;
  moe.shared_width = moe.expert_width * fields.IntOr("n_shared_experts", 0, 64, 1);
  moe.first_dense_layers = fields.Int("first_k_dense_replace", 0, kMaxLayers);
  moe.routed_scaling = fields.Positive("routed_scaling_factor");
  moe.num_groups = fields.Int("n_group", 1, moe.num_experts);
  moe.groups_per_token = fields.Int("topk_group", 1, moe.num_groups);
  ReadSigmoidGate(fields, config);
}

void ReadDeepSeekV2Moe(const ConfigFields& fields, ModelConfig* config) {
  ReadDeepSeekExperts(fields, config);
  MoeConfig& moe = config->moe;
  SetSoftmaxGate(&moe);
  moe.shared_width = moe.expert_width * fields.Int("n_shared_experts", 0, 64);
  moe.first_dense_layers = fields.IntOr("first_k_dense_replace", 0, kMaxLayers, 0);
  moe.routed_scaling = fields.PositiveOr("routed_scaling_factor", 1.0);
  fields.Only("scoring_func", "softmax", "softmax");
  // DeepSeek's code then leaves the scaling out, transformers' ignores the field.
  fields.Only("norm_topk_prob", false, false);
  moe.normalize_weights = false;
  const json method = fields.Has("topk_method") ? fields.At("topk_method") : json("greedy");
  if (method == "greedy") return;
  fields.Only("topk_method", "group_limited_greedy", "greedy");
  moe.num_groups = fields.Int("n_group", 1, moe.num_experts);
  moe.groups_per_token = fields.Int("topk_group", 1, moe.num_groups);
  ReadGroups(fields, &moe);
}

void ReadQwen3Moe(const ConfigFields& fields, ModelConfig* config) {
  ReadQwenExperts(fields, /*absent_norm_topk_prob=*/false, config);
}

void ReadQwen2Moe(const ConfigFields& fields, ModelConfig* config) {
  ReadQwenExperts(fields, /*absent_norm_topk_prob=*/false, config);
  ReadGatedSharedExpert(fields, config);
}

void ReadQwen3NextMoe(const ConfigFields& fields, ModelConfig* config) {
  ReadQwenExperts(fields, /*absent_norm_topk_prob=*/true, config);
  ReadGatedSharedExpert(fields, config);
}

// Its class has experts in every layer and normalises their weights, whatever these fields say.
void ReadQwen35Moe(const ConfigFields& fields, ModelConfig* config) {
  ReadQwen3NextMoe(fields, config);
  fields.Only("norm_topk_prob", true, true);
  fields.Only("decoder_sparse_step", 1, 1);
  fields.OnlyAbsent("mlp_only_layers");
}

void ReadMixtralMoe(const ConfigFields& fields, ModelConfig* config) {
  MoeConfig& moe = config->moe;
  SetSoftmaxGate(&moe);
  ReadExperts(fields, "num_local_experts", config);
  moe.expert_width = fields.Int("intermediate_size", 1, kMaxWidth);
  fields.Only("router_jitter_noise", 0.0, 0.0);
}

void ReadOlmoeMoe(const ConfigFields& fields, ModelConfig* config) {
  MoeConfig& moe = config->moe;
  SetSoftmaxGate(&moe);
  ReadExperts(fields, "num_experts", config);
  moe.expert_width = fields.Int("intermediate_size", 1, kMaxWidth);
  moe.normalize_weights = fields.BoolOr("norm_topk_prob", false);
}

// Its softmax over the chosen experts' logits is that over all, divided by the sum of the chosen.
void ReadGptOssMoe(const ConfigFields& fields, ModelConfig* config) {
  MoeConfig& moe = config->moe;
  SetSoftmaxGate(&moe);
  ReadExperts(fields, "num_local_experts", config, "num_experts");
  // Published folders state it under both names, and transformers heeds the first.
  fields.Only(kShortName, moe.experts_per_token, moe.experts_per_token);
  moe.expert_width = fields.Int("intermediate_size", 1, kMaxWidth);
  moe.router_bias = moe.expert_bias = true;
  fields.Only("swiglu_limit", kSwiGluLimit, kSwiGluLimit);
  fields.Only("swiglu_alpha", kSwiGluSlope, kSwiGluSlope);
}

json DeepSeekV3MoeToJson(const ModelConfig& config) {
  json out = DeepSeekExpertsToJson(config.moe);
  out["scoring_func"] = "sigmoid";
  out["topk_method"] = "noaux_tc";
  out["num_nextn_predict_layers"] = config.num_mtp_layers;
  return out;
}

json DeepSeekV2MoeToJson(const ModelConfig& config) {
  json out = DeepSeekExpertsToJson(config.moe);
  out["scoring_func"] = "softmax";
  out["topk_method"] = config.moe.num_groups > 1 ? "group_limited_greedy" : "greedy";
  return out;
}

json Qwen3MoeToJson(const ModelConfig& config) {
  const MoeConfig& moe = config.moe;
  json out = ExpertsToJson(moe, "num_experts", "moe_intermediate_size");
  out["norm_topk_prob"] = moe.normalize_weights;
  out["decoder_sparse_step"] = moe.sparse_step;
  out["mlp_only_layers"] = moe.dense_layers;
  return out;
}

json Qwen2MoeToJson(const ModelConfig& config) {
  json out = Qwen3MoeToJson(config);
  out["shared_expert_intermediate_size"] = config.moe.shared_width;
  return out;
}

json MixtralMoeToJson(const ModelConfig& config) {
  json out = ExpertsToJson(config.moe, "num_local_experts", "intermediate_size");
  out["router_jitter_noise"] = 0.0;
  return out;
}

json OlmoeMoeToJson(const ModelConfig& config) {
  json out = ExpertsToJson(config.moe, "num_experts", "intermediate_size");
  out["norm_topk_prob"] = config.moe.normalize_weights;
  return out;
}

json GptOssMoeToJson(const ModelConfig& config) {
  json out = ExpertsToJson(config.moe, "num_local_experts", "intermediate_size");
  out["experts_per_token"] = config.moe.experts_per_token;
  out["swiglu_limit"] = kSwiGluLimit;
  out["swiglu_alpha"] = kSwiGluSlope;
  return out;
}

}  // namespace cohort::policy
