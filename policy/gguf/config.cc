// GGUF metadata -> the config.json that the model's Hugging Face folder has -> ModelConfig.

#include "policy/gguf/config.h"

#include <algorithm>

#include "policy/config/fields.h"
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

// Hugging Face's model_type. llama.cpp's `llama` is Mixtral too.
std::string FamilyOf(const GgufFile& file, const std::string& architecture) {
  if (architecture == "llama") {
    return file.Integer("llama.expert_count", 0) == 0 ? "llama" : "mixtral";
  }
  if (architecture == "qwen2" || architecture == "qwen3") return architecture;
  if (architecture == "qwen3moe") return "qwen3_moe";
  if (architecture == "deepseek2") return GgufDeepSeekFamily(file);
  file.Refuse("architecture '" + architecture + "' is not supported",
              "supported: llama (Mixtral too), qwen2, qwen3, qwen3moe, deepseek2; of others use "
              "the Hugging Face folder");
}

// Heads of grouped-query attention.
void AddHeads(const GgufFile& file, const std::string& architecture, json* config) {
  const std::string prefix = architecture + ".attention.";
  const int64_t width = config->at("hidden_size"), heads = config->at("num_attention_heads");
  const std::string kv_key = prefix + "head_count_kv", dim_key = prefix + "key_length";
  const int64_t kv_heads = file.InRange(kv_key, file.Integer(kv_key, heads), 1, heads);
  const int64_t head_dim = file.InRange(
      dim_key, file.Integer(dim_key, std::max<int64_t>(width / heads, 1)), 1, kMaxHeadDim);
  for (const std::string& key : {prefix + "value_length", architecture + ".rope.dimension_count"}) {
    const int64_t value = file.Integer(key, head_dim);
    if (value != head_dim) {
      file.Refuse(key + " is " + std::to_string(value) + ", but heads are " +
                  std::to_string(head_dim) + " wide; that is not supported");
    }
  }
  if (heads % kv_heads != 0 || head_dim % 2 != 0) {
    file.Refuse("heads do not fit: " + std::to_string(heads) + " heads, " +
                std::to_string(kv_heads) + " KV heads, " + std::to_string(head_dim) + " wide");
  }
  (*config)["num_key_value_heads"] = kv_heads;
  (*config)["head_dim"] = head_dim;
}

}  // namespace

ModelConfig GgufConfig(const GgufFile& file) {
  const std::string architecture = file.String("general.architecture");
  const std::string family = FamilyOf(file, architecture);
  const auto key = [&](const std::string& name) { return architecture + "." + name; };
  const auto size = [&](const std::string& name, int64_t limit) {
    return file.InRange(key(name), file.Integer(key(name)), 1, limit);
  };
  json config = {{"model_type", family},
                 {"hidden_size", size("embedding_length", kMaxWidth)},
                 {"num_hidden_layers", size("block_count", kMaxLayers)},
                 {"num_attention_heads", size("attention.head_count", kMaxHeads)},
                 {"intermediate_size", size("feed_forward_length", kMaxWidth)},
                 {"max_position_embeddings", size("context_length", int64_t{1} << 31)},
                 {"rms_norm_eps", file.Number(key("attention.layer_norm_rms_epsilon"))},
                 {"rope_theta", file.Number(key("rope.freq_base"), 10000.0)},
                 {"vocab_size", file.InRange("the number of rows of token_embd.weight",
                                             Embedding(file).shape[0], 1, kMaxSize)}};
  if (architecture == "deepseek2") {
    AddGgufDeepSeek(file, &config);
    config["rope_scaling"] = GgufRopeScaling(file, architecture, config["qk_rope_head_dim"]);
  } else {
    AddHeads(file, architecture, &config);
    config["rope_scaling"] = GgufRopeScaling(file, architecture, config["head_dim"]);
  }
  config["tie_word_embeddings"] =
      std::none_of(file.tensors().begin(), file.tensors().end(),
                   [](const GgufTensor& tensor) { return tensor.name == "output.weight"; });
  if (family == "mixtral" || family == "qwen3_moe") {
    config[family == "mixtral" ? "num_local_experts" : "num_experts"] =
        size("expert_count", kMaxExperts);
    config["num_experts_per_tok"] = size("expert_used_count", kMaxExperts);
  }
  if (family == "qwen3_moe") {  // llama.cpp knows it in this form alone
    config["moe_intermediate_size"] = size("expert_feed_forward_length", kMaxWidth);
    config["norm_topk_prob"] = true;
  }
  ModelConfig parsed = ParseConfig(config, file.source());
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
