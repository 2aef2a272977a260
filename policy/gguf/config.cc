// GGUF metadata -> the config.json that the model's Hugging Face folder has -> ModelConfig.

#include "policy/gguf/config.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "policy/config/fields.h"
#include "policy/gguf/architecture.h"
#include "policy/gguf/deepseek.h"
#include "policy/gguf/rope.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

const GgufTensor& Embedding(const GgufFile& file) {
  const auto& tensors = file.tensors();
  const auto found = std::find_if(tensors.begin(), tensors.end(), [](const GgufTensor& tensor) {
    return tensor.name == "token_embd.weight";
  });
  if (found == tensors.end()) file.Refuse("tensor 'token_embd.weight' is missing");
  if (found->shape.size() != 2) {
    file.Refuse("tensor 'token_embd.weight' has " + std::to_string(found->shape.size()) +
                " dimensions; expected 2");
  }
  return *found;
}

bool HasTensor(const GgufFile& file, const std::string& suffix) {
  return std::any_of(file.tensors().begin(), file.tensors().end(),
                     [&](const GgufTensor& tensor) { return tensor.name.ends_with(suffix); });
}

// Metadata of one architecture on its way to config.json.
class Fields {
 public:
  Fields(const GgufFile& file, const GgufArchitecture& architecture)
      : file_(file), architecture_(architecture), json_(json::parse(architecture.fields)) {
    json_["model_type"] = architecture.FamilyOf(file);
  }

  json Take();

 private:
  std::string Key(const std::string& name) const { return architecture_.name + ("." + name); }
  bool Has(const std::string& name) const { return file_.Has(Key(name)); }
  int64_t Size(const std::string& name, int64_t limit) const {
    return file_.InRange(Key(name), file_.Integer(Key(name)), 1, limit);
  }
  int64_t SizeOr(const std::string& name, int64_t limit, int64_t missing) const {
    return Has(name) ? Size(name, limit) : missing;
  }
  int64_t at(const char* field) const { return json_.at(field); }

  void AddSizes();
  void AddHeads();
  void AddRope(int64_t rotated);
  void AddWhatTensorsSay();
  void AddScales();
  void AddExperts();
  void AddWindows();
  void AddLinearLayers();
  // The key's list of true and false for each layer; `missing` where it is not there.
  std::vector<bool> Flags(const std::string& name, int64_t every) const;
  void AddLayerTypes(const std::vector<bool>& flags, const char* yes);

  const GgufFile& file_;
  const GgufArchitecture& architecture_;
  json json_;
};

void Fields::AddSizes() {
  const int64_t blocks = Size("block_count", kMaxLayers);
  // The last blocks are multi-token-prediction layers.
  const int64_t heads =
      Has("nextn_predict_layers")
          ? file_.InRange(Key("nextn_predict_layers"), file_.Integer(Key("nextn_predict_layers")),
                          0, blocks - 1)
          : 0;
  json_["num_hidden_layers"] = blocks - heads;
  json_["hidden_size"] = Size("embedding_length", kMaxWidth);
  json_["num_attention_heads"] = Size("attention.head_count", kMaxHeads);
  // An architecture of experts alone may state their width in its place.
  const int64_t expert_width = SizeOr("expert_feed_forward_length", kMaxWidth, 0);
  json_["intermediate_size"] = expert_width > 0
                                   ? SizeOr("feed_forward_length", kMaxWidth, expert_width)
                                   : Size("feed_forward_length", kMaxWidth);
  json_["max_position_embeddings"] = Size("context_length", int64_t{1} << 31);
  json_["rms_norm_eps"] = file_.Number(Key("attention.layer_norm_rms_epsilon"));
  json_["vocab_size"] = file_.InRange("the number of rows of token_embd.weight",
                                      Embedding(file_).shape[0], 1, kMaxSize);
  json_["tie_word_embeddings"] =
      std::none_of(file_.tensors().begin(), file_.tensors().end(),
                   [](const GgufTensor& tensor) { return tensor.name == "output.weight"; });
}

// Heads of grouped-query attention.
void Fields::AddHeads() {
  const int64_t width = at("hidden_size"), heads = at("num_attention_heads");
  const int64_t kv_heads = SizeOr("attention.head_count_kv", heads, heads);
  const int64_t head_dim =
      SizeOr("attention.key_length", kMaxHeadDim, std::max<int64_t>(width / heads, 1));
  const std::string rotated_key = Key("rope.dimension_count");
  for (const std::string& key : {Key("attention.value_length"), rotated_key}) {
    const int64_t value = file_.Integer(key, head_dim);
    if (value == head_dim || (key == rotated_key && architecture_.has_partial_rotary_factor)) {
      continue;
    }
    file_.Refuse(key + " is " + std::to_string(value) + ", but heads are " +
                 std::to_string(head_dim) + " wide; that is not supported");
  }
  if (heads % kv_heads != 0 || head_dim % 2 != 0) {
    file_.Refuse("heads do not fit: " + std::to_string(heads) + " heads, " +
                 std::to_string(kv_heads) + " KV heads, " + std::to_string(head_dim) + " wide");
  }
  json_["num_key_value_heads"] = kv_heads;
  json_["head_dim"] = head_dim;
  const int64_t rotated = SizeOr("rope.dimension_count", head_dim, head_dim);
  if (architecture_.has_partial_rotary_factor) {
    const auto all = static_cast<double>(head_dim);
    double factor = static_cast<double>(rotated) / all;
    while (static_cast<int64_t>(all * factor) < rotated) factor = std::nextafter(factor, 2.0);
    json_["partial_rotary_factor"] = factor;
  }
  AddRope(rotated);
}

void Fields::AddRope(int64_t rotated) {
  const double base = file_.Number(Key("rope.freq_base"), 10000.0);
  json_["rope_theta"] = base;
  json_["rope_scaling"] = GgufRopeScaling(file_, architecture_.name, rotated);
  // Beside the object, where Phi-3's config.json has it.
  constexpr char kOriginal[] = "original_max_position_embeddings";
  json& scaling = json_["rope_scaling"];
  if (scaling.is_object() && scaling.value("rope_type", "") == "longrope") {
    json_[kOriginal] = scaling.at(kOriginal);
    scaling.erase(kOriginal);
  }
  if (!Has("rope.freq_base_swa")) return;
  const double windowed = file_.Number(Key("rope.freq_base_swa"));
  if (architecture_.has_windowed_base) {
    json_["rope_local_base_freq"] = windowed;
  } else if (windowed != base) {
    file_.Refuse(Key("rope.freq_base_swa") + " is another than " + Key("rope.freq_base") +
                 "; that is not supported");
  }
}

void Fields::AddWhatTensorsSay() {
  if (architecture_.qk_norm != nullptr) {
    json_[architecture_.qk_norm] = HasTensor(file_, ".attn_q_norm.weight");
  }
  if (architecture_.bias != nullptr) json_[architecture_.bias] = HasTensor(file_, ".attn_q.bias");
  if (architecture_.output_bias != nullptr) {
    json_[architecture_.output_bias] = HasTensor(file_, ".attn_output.bias");
  }
}

void Fields::AddScales() {
  constexpr std::pair<const char*, const char*> kNumbers[] = {
      {"attn_logit_softcapping", "attn_logit_softcapping"},
      {"final_logit_softcapping", "final_logit_softcapping"},
      {"attention.clamp_kqv", "clip_qkv"},
      {"attention.scale", "attention_multiplier"},
      {"embedding_scale", "embedding_multiplier"},
      {"residual_scale", "residual_multiplier"},
      {"logit_scale", "logits_scaling"}};
  for (const auto& [name, field] : kNumbers) {
    if (Has(name)) json_[field] = file_.Number(Key(name));
  }
  if (!file_.Bool(Key("attention.causal"), true)) {
    file_.Refuse(Key("attention.causal") + " is false; that is not supported");
  }
  if (!architecture_.scales_by_query) return;
  const bool wide = at("num_hidden_layers") == architecture_.wide_scale_layers;
  json_["query_pre_attn_scalar"] =
      wide ? at("hidden_size") / at("num_attention_heads") : at("head_dim");
}

void Fields::AddExperts() {
  if (architecture_.num_experts != nullptr && SizeOr("expert_count", kMaxExperts, 0) > 0) {
    json_[architecture_.num_experts] = Size("expert_count", kMaxExperts);
    json_["num_experts_per_tok"] = Size("expert_used_count", kMaxExperts);
  }
  if (architecture_.expert_width != nullptr) {
    json_[architecture_.expert_width] = Size("expert_feed_forward_length", kMaxWidth);
  }
  if (Has("expert_shared_feed_forward_length")) {
    json_["shared_expert_intermediate_size"] = Size("expert_shared_feed_forward_length", kMaxWidth);
  }
}

std::vector<bool> Fields::Flags(const std::string& name, int64_t every) const {
  const auto layers = static_cast<size_t>(at("num_hidden_layers"));
  const auto found = file_.metadata().find(Key(name));
  const bool listed = found != file_.metadata().end() && found->second.is_array();
  std::vector<bool> flags;
  if (!listed) {
    if (found != file_.metadata().end()) every = Size(name, kMaxLayers);
    for (size_t layer = 1; layer <= layers; ++layer) {
      flags.push_back(layer % static_cast<size_t>(every) != 0);
    }
    return flags;
  }
  // Multi-token-prediction layers may be in the list too.
  if (found->second.size() < layers) {
    file_.Refuse(Key(name) + " is of " + std::to_string(found->second.size()) +
                 " layers; expected " + std::to_string(layers));
  }
  for (const json& flag : found->second) {
    if (!flag.is_boolean() && !flag.is_number_integer()) {
      file_.Refuse(Key(name) + " holds something else than true and false");
    }
    if (flags.size() < layers) flags.push_back(flag != 0 && flag != false);
  }
  return flags;
}

void Fields::AddLayerTypes(const std::vector<bool>& flags, const char* yes) {
  json_["layer_types"] = json::array();
  for (const bool flag : flags) json_["layer_types"].push_back(flag ? yes : "full_attention");
}

// 0 stands for none.
void Fields::AddWindows() {
  const char* name = "attention.sliding_window";
  const int64_t window =
      Has(name) ? file_.InRange(Key(name), file_.Integer(Key(name)), 0, kMaxSize) : 0;
  if (window > 0) json_["sliding_window"] = window;
  const std::string pattern = "attention.sliding_window_pattern";
  if (architecture_.full_every > 0 && (window > 0 || json_["model_type"] == "gemma2")) {
    AddLayerTypes(Flags(pattern, architecture_.full_every), "sliding_attention");
  } else if (architecture_.full_every > 0 && json_["model_type"] != "olmo2") {
    json_["sliding_window"] = nullptr;
    AddLayerTypes(std::vector<bool>(static_cast<size_t>(at("num_hidden_layers")), false), "");
  }
}

void Fields::AddLinearLayers() {
  json_["linear_conv_kernel_dim"] = Size("ssm.conv_kernel", kMaxSize);
  json_["linear_key_head_dim"] = Size("ssm.state_size", kMaxHeadDim);
  json_["linear_num_key_heads"] = Size("ssm.group_count", kMaxHeads);
  const int64_t heads = Size("ssm.time_step_rank", kMaxHeads);
  const int64_t width = Size("ssm.inner_size", kMaxWidth);
  if (width % heads != 0) {
    file_.Refuse(Key("ssm.inner_size") + " is " + std::to_string(width) +
                 "; expected a multiple of " + Key("ssm.time_step_rank") + ", " +
                 std::to_string(heads));
  }
  json_["linear_num_value_heads"] = heads;
  json_["linear_value_head_dim"] = width / heads;
  const char* listed = "attention.recurrent_layers";
  const int64_t every = SizeOr("full_attention_interval", kMaxLayers, 4);
  AddLayerTypes(Flags(listed, every), "linear_attention");
}

json Fields::Take() {
  AddSizes();
  if (architecture_.has_latent_attention) {
    AddGgufLatentAttention(file_, architecture_.name, &json_);
    AddRope(at("qk_rope_head_dim"));
  } else {
    AddHeads();
  }
  if (architecture_.has_deepseek_experts) {
    AddGgufDeepSeekExperts(file_, architecture_.name, &json_);
  } else {
    AddExperts();
  }
  AddWhatTensorsSay();
  AddScales();
  AddWindows();
  if (architecture_.has_linear_layers) AddLinearLayers();
  return std::move(json_);
}

}  // namespace

ModelConfig GgufConfig(const GgufFile& file) {
  ModelConfig parsed = ParseConfig(Fields(file, FindGgufArchitecture(file)).Take(), file.source());
  parsed.bos_id = file.Integer("tokenizer.ggml.bos_token_id", -1);
  for (const char* name : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const int64_t id = file.Integer(name, -1);
    if (id >= parsed.vocab_size) {
      file.Refuse(std::string(name) + " is " + std::to_string(id) + ", outside the vocabulary of " +
                  std::to_string(parsed.vocab_size));
    }
    if (id >= 0 && std::count(parsed.eos_ids.begin(), parsed.eos_ids.end(), id) == 0) {
      parsed.eos_ids.push_back(id);
    }
  }
  return parsed;
}

}  // namespace cohort::policy
