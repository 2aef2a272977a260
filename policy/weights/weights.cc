#include "policy/weights/weights.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <charconv>
#include <cmath>
#include <set>
#include <string_view>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "policy/config/linear_attention.h"

namespace cohort::policy {
namespace {

void AddFeedForward(const std::string& prefix, const ModelConfig& config, int64_t ffn_width,
                    std::vector<TensorSpec>* out) {
  const int64_t width = config.width;
  if (config.fused_projections) {
    out->push_back({prefix + "gate_up_proj.weight", {2 * ffn_width, width}});
  } else {
    out->push_back({prefix + "gate_proj.weight", {ffn_width, width}});
    out->push_back({prefix + "up_proj.weight", {ffn_width, width}});
  }
  out->push_back({prefix + "down_proj.weight", {width, ffn_width}});
}

void AddMoe(const std::string& prefix, const ModelConfig& config, std::vector<TensorSpec>* out) {
  const MoeConfig& moe = config.moe;
  out->push_back({prefix + "gate.weight", {moe.num_experts, config.width}});
  if (moe.router_bias) out->push_back({prefix + "gate.bias", {moe.num_experts}});
  if (moe.selection_bias) {
    out->push_back({prefix + "gate.e_score_correction_bias", {moe.num_experts}});
  }
  out->push_back(
      {prefix + "experts.gate_up_proj", {moe.num_experts, 2 * moe.expert_width, config.width}});
  out->push_back({prefix + "experts.down_proj", {moe.num_experts, config.width, moe.expert_width}});
  if (moe.expert_bias) {
    out->push_back({prefix + "experts.gate_up_proj_bias", {moe.num_experts, 2 * moe.expert_width}});
    out->push_back({prefix + "experts.down_proj_bias", {moe.num_experts, config.width}});
  }
  if (moe.shared_width > 0) {
    AddFeedForward(prefix + "shared_experts.", config, moe.shared_width, out);
  }
  if (moe.shared_gate) out->push_back({prefix + "shared_expert_gate.weight", {1, config.width}});
}

void AddGroupedQuery(const std::string& prefix, const ModelConfig& config,
                     std::vector<TensorSpec>* out) {
  const AttentionConfig& attention = config.attention;
  const int64_t q_width = attention.num_heads * attention.head_dim;
  const int64_t kv_width = attention.num_kv_heads * attention.head_dim;
  const auto add = [&](const char* name, int64_t rows) {
    out->push_back({prefix + name + ".weight", {rows, config.width}});
    if (attention.qkv_bias) out->push_back({prefix + name + ".bias", {rows}});
  };
  if (config.fused_projections) {
    add("qkv_proj", q_width + 2 * kv_width);
  } else {
    add("q_proj", attention.gated_output ? 2 * q_width : q_width);
    add("k_proj", kv_width);
    add("v_proj", kv_width);
  }
  if (attention.qk_norm != QkNorm::kNone) {
    const bool by_head = attention.qk_norm == QkNorm::kHead;
    out->push_back({prefix + "q_norm.weight", {by_head ? attention.head_dim : q_width}});
    out->push_back({prefix + "k_norm.weight", {by_head ? attention.head_dim : kv_width}});
  }
  if (attention.has_sinks) out->push_back({prefix + "sinks", {attention.num_heads}});
}

void AddLatent(const std::string& prefix, const ModelConfig& config, std::vector<TensorSpec>* out) {
  const AttentionConfig& attention = config.attention;
  const int64_t q_width = attention.num_heads * attention.query_dim();
  if (attention.q_lora_rank > 0) {
    out->push_back({prefix + "q_a_proj.weight", {attention.q_lora_rank, config.width}});
    out->push_back({prefix + "q_a_layernorm.weight", {attention.q_lora_rank}});
    out->push_back({prefix + "q_b_proj.weight", {q_width, attention.q_lora_rank}});
  } else {
    out->push_back({prefix + "q_proj.weight", {q_width, config.width}});
  }
  out->push_back({prefix + "kv_a_proj_with_mqa.weight",
                  {attention.kv_lora_rank + attention.qk_rope_head_dim, config.width}});
  out->push_back({prefix + "kv_a_layernorm.weight", {attention.kv_lora_rank}});
  out->push_back({prefix + "kv_b_proj.weight",
                  {attention.num_heads * (attention.qk_nope_head_dim + attention.v_head_dim),
                   attention.kv_lora_rank}});
}

void AddAttention(const std::string& prefix, const ModelConfig& config,
                  std::vector<TensorSpec>* out) {
  config.attention.latent() ? AddLatent(prefix, config, out) : AddGroupedQuery(prefix, config, out);
  out->push_back({prefix + "o_proj.weight",
                  {config.width, config.attention.num_heads * config.attention.value_dim()}});
  if (config.attention.output_bias) out->push_back({prefix + "o_proj.bias", {config.width}});
}

void AddDeltaNet(const std::string& prefix, const ModelConfig& config,
                 std::vector<TensorSpec>* out) {
  const LinearAttentionConfig& linear = config.linear;
  const int64_t heads = linear.num_value_heads, channels = ConvChannels(linear);
  const int64_t values = ValueWidth(linear);
  const auto add = [&](const char* name, int64_t rows) {
    out->push_back({prefix + name + ".weight", {rows, config.width}});
  };
  if (linear.separate_projections) {
    add("in_proj_qkv", channels);
    add("in_proj_z", values);
    add("in_proj_b", heads);
    add("in_proj_a", heads);
  } else {
    add("in_proj_qkvz", channels + values);
    add("in_proj_ba", 2 * heads);
  }
  out->push_back({prefix + "conv1d.weight", {channels, 1, linear.conv_width}});
  out->push_back({prefix + "dt_bias", {heads}});
  out->push_back({prefix + "A_log", {heads}});
  out->push_back({prefix + "norm.weight", {linear.value_dim}});
  out->push_back({prefix + "out_proj.weight", {config.width, values}});
}

void AddLayer(int64_t layer, const ModelConfig& config, std::vector<TensorSpec>* out) {
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  const LayerNormNames norms = NormNames(config.norm_placement);
  const auto add_norm = [&](const std::string& name) {
    if (!name.empty()) out->push_back({prefix + name + ".weight", {config.width}});
  };
  add_norm(norms.attention_in);
  config.linear.Has(layer) ? AddDeltaNet(prefix + "linear_attn.", config, out)
                           : AddAttention(prefix + "self_attn.", config, out);
  add_norm(norms.attention_out);
  add_norm(norms.ffn_in);
  if (config.IsMoeLayer(layer)) {
    AddMoe(prefix + "mlp.", config, out);
  } else {
    AddFeedForward(prefix + "mlp.", config, config.ffn_width, out);
  }
  add_norm(norms.ffn_out);
}

void AddMtpLayer(int64_t layer, const ModelConfig& config, std::vector<TensorSpec>* out) {
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  out->push_back({prefix + "enorm.weight", {config.width}});
  out->push_back({prefix + "hnorm.weight", {config.width}});
  out->push_back({prefix + "eh_proj.weight", {config.width, 2 * config.width}});
  AddLayer(layer, config, out);
  out->push_back({prefix + "shared_head.norm.weight", {config.width}});
}

std::string ShapeText(c10::IntArrayRef shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

// "; 7 missing: a (nearest: b), ..." or "" when there are none.
std::string Listed(const char* kind, const std::vector<std::string>& names,
                   const std::vector<std::string>& others) {
  constexpr size_t kNamed = 5;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kNamed; ++i) {
    const std::string nearest = base::NearestName(names[i], others);
    text += (i > 0 ? ", " : "") + names[i] + (nearest.empty() ? "" : " (nearest: " + nearest + ")");
  }
  if (names.empty()) return text;
  return "; " + std::to_string(names.size()) + " " + kind + ": " + text +
         (names.size() > kNamed ? ", ..." : "");
}

bool EndsWith(const std::string& name, std::string_view ending) {
  return std::string_view(name).ends_with(ending);
}

}  // namespace

LayerNormNames NormNames(NormPlacement placement) {
  switch (placement) {
    case NormPlacement::kBefore:
      return {.attention_in = "input_layernorm",
              .attention_out = "",
              .ffn_in = "post_attention_layernorm",
              .ffn_out = ""};
    case NormPlacement::kAfter:
      return {.attention_in = "",
              .attention_out = "post_attention_layernorm",
              .ffn_in = "",
              .ffn_out = "post_feedforward_layernorm"};
    case NormPlacement::kAround:
      return {.attention_in = "input_layernorm",
              .attention_out = "post_attention_layernorm",
              .ffn_in = "pre_feedforward_layernorm",
              .ffn_out = "post_feedforward_layernorm"};
  }
  COHORT_CHECK(false, "a placement of norms that is not known");
}

std::vector<TensorSpec> ExpectedTensors(const ModelConfig& config) {
  std::vector<TensorSpec> out;
  out.push_back({"model.embed_tokens.weight", {config.vocab_size, config.width}});
  for (int64_t layer = 0; layer < config.num_layers; ++layer) AddLayer(layer, config, &out);
  out.push_back({"model.norm.weight", {config.width}});
  if (!config.tie_embeddings) {
    out.push_back({"lm_head.weight", {config.vocab_size, config.width}});
  }
  for (int64_t i = 0; i < config.num_mtp_layers; ++i) {
    AddMtpLayer(config.num_layers + i, config, &out);
  }
  return out;
}

bool IsOfMtpLayer(const ModelConfig& config, const std::string& name) {
  constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return false;
  int64_t layer = -1;
  std::from_chars(name.data() + kLayers.size(), name.data() + name.size(), layer);
  return layer >= config.num_layers && layer < config.num_layers + config.num_mtp_layers;
}

ModelConfig WithoutMtpLayers(ModelConfig config) {
  config.num_mtp_layers = 0;
  return config;
}

WeightMap WithoutMtpLayers(const ModelConfig& config, WeightMap weights) {
  std::erase_if(weights, [&](const auto& item) { return IsOfMtpLayer(config, item.first); });
  return weights;
}

int64_t CountParameters(const ModelConfig& config) {
  int64_t total = 0;
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    int64_t count = 1;
    for (const int64_t size : spec.shape) count *= size;
    total += count;
  }
  return total;
}

std::string ShapeProblems(const std::vector<TensorSpec>& expected,
                          const std::map<std::string, std::vector<int64_t>>& found) {
  std::vector<std::string> missing, unexpected, misshaped;
  std::set<std::string> names;
  for (const TensorSpec& spec : expected) {
    names.insert(spec.name);
    const auto entry = found.find(spec.name);
    if (entry == found.end()) {
      missing.push_back(spec.name);
    } else if (entry->second != spec.shape) {
      misshaped.push_back(spec.name + " " + ShapeText(entry->second) + ", expected " +
                          ShapeText(spec.shape));
    }
  }
  for (const auto& [name, shape] : found) {
    if (names.count(name) == 0) unexpected.push_back(name);
  }
  return Listed("missing", missing, unexpected) + Listed("unexpected", unexpected, missing) +
         Listed("of another shape", misshaped, {});
}

void CheckShapes(const std::vector<TensorSpec>& expected,
                 const std::map<std::string, std::vector<int64_t>>& found,
                 const std::string& source) {
  const std::string problems = ShapeProblems(expected, found);
  if (problems.empty()) return;
  throw Error(ErrorCode::kUsage, source + ": the tensors do not fit config.json" + problems,
              "the weights and config.json must come from the same model");
}

void CheckWeights(const ModelConfig& config, const WeightMap& weights, const std::string& source) {
  std::map<std::string, std::vector<int64_t>> found;
  for (const auto& [name, tensor] : weights) found.emplace(name, tensor.sizes().vec());
  CheckShapes(ExpectedTensors(config), found, source);
}

at::Tensor InitialTensor(const ModelConfig& config, const TensorSpec& spec, uint64_t seed) {
  // The norm inside a gated delta net multiplies by its weight whatever the model's others do.
  const bool is_ones = EndsWith(spec.name, ".linear_attn.norm.weight") ||
                       EndsWith(spec.name, ".linear_attn.dt_bias") ||
                       (EndsWith(spec.name, "norm.weight") && !config.norm_adds_one);
  if (is_ones) return at::ones(spec.shape);
  if (EndsWith(spec.name, "norm.weight") || EndsWith(spec.name, "bias") ||
      EndsWith(spec.name, ".sinks")) {
    return at::zeros(spec.shape);
  }
  const bool writes_residual = spec.name.find("o_proj") != std::string::npos ||
                               EndsWith(spec.name, ".linear_attn.out_proj.weight") ||
                               spec.name.find("down_proj") != std::string::npos;
  const double residual_std = 0.02 / std::sqrt(2.0 * static_cast<double>(config.num_layers));
  // A stream of its own for every tensor: adding a layer leaves the others as they were.
  const uint64_t key = base::Checksum(spec.name + "#" + std::to_string(seed));
  at::Generator generator = at::detail::createCPUGenerator(key);
  // As transformers draws the decays' rates.
  if (EndsWith(spec.name, ".linear_attn.A_log")) {
    return at::empty(spec.shape).uniform_(0.01, 16, generator).log_();
  }
  return at::empty(spec.shape).normal_(0.0, writes_residual ? residual_std : 0.02, generator);
}

WeightMap InitialWeights(const ModelConfig& config, uint64_t seed) {
  WeightMap weights;
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    weights.emplace(spec.name, InitialTensor(config, spec, seed));
  }
  return weights;
}

}  // namespace cohort::policy
