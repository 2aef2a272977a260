// GGUF metadata of the `llama` architecture -> ModelConfig.

#include <algorithm>

#include "policy/gguf.h"

namespace cohort::policy {
namespace {

int64_t Positive(const GgufFile& file, const std::string& key, int64_t value, int64_t limit) {
  if (value < 1 || value > limit) {
    file.Refuse(key + " is " + std::to_string(value) + "; expected 1 to " + std::to_string(limit));
  }
  return value;
}

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

// Metadata that changes the mathematics in a way that cohort does not compute.
void RefuseVariants(const GgufFile& file) {
  const std::string architecture = file.String("general.architecture");
  if (architecture != "llama") {
    file.Refuse("architecture '" + architecture + "' is not supported", "supported: llama");
  }
  if (file.Integer("llama.expert_count", 0) != 0) {
    file.Refuse("llama.expert_count: mixtures of experts are not read from GGUF",
                "use the model's Hugging Face folder");
  }
  const std::string scaling = file.String("llama.rope.scaling.type", "none");
  if (scaling != "none") {
    file.Refuse("llama.rope.scaling.type '" + scaling + "' is not supported", "supported: none");
  }
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name == "rope_freqs.weight") {
      file.Refuse("tensor 'rope_freqs.weight': scaled rotary frequencies are not supported");
    }
  }
}

}  // namespace

ModelConfig GgufConfig(const GgufFile& file) {
  RefuseVariants(file);
  const auto size = [&](const std::string& name, int64_t limit) {
    return Positive(file, "llama." + name, file.Integer("llama." + name), limit);
  };
  ModelConfig config;
  config.family = "llama";
  config.width = size("embedding_length", 1 << 20);
  config.num_layers = size("block_count", 4096);
  config.attention.num_heads = size("attention.head_count", 4096);
  config.attention.num_kv_heads =
      Positive(file, "llama.attention.head_count_kv",
               file.Integer("llama.attention.head_count_kv", config.attention.num_heads),
               config.attention.num_heads);
  config.ffn_width = size("feed_forward_length", 1 << 22);
  config.max_positions = size("context_length", int64_t{1} << 31);
  config.attention.head_dim = Positive(
      file, "llama.attention.key_length",
      file.Integer("llama.attention.key_length", config.width / config.attention.num_heads), 4096);
  for (const char* key : {"llama.attention.value_length", "llama.rope.dimension_count"}) {
    const int64_t value = file.Integer(key, config.attention.head_dim);
    if (value != config.attention.head_dim) {
      file.Refuse(std::string(key) + " is " + std::to_string(value) + ", but heads are " +
                  std::to_string(config.attention.head_dim) + " wide; that is not supported");
    }
  }
  if (config.attention.num_heads % config.attention.num_kv_heads != 0 ||
      config.attention.head_dim % 2 != 0) {
    file.Refuse("heads do not fit: " + std::to_string(config.attention.num_heads) + " heads, " +
                std::to_string(config.attention.num_kv_heads) + " KV heads, " +
                std::to_string(config.attention.head_dim) + " wide");
  }
  config.rope.base = file.Number("llama.rope.freq_base", 10000.0);
  config.norm_eps = file.Number("llama.attention.layer_norm_rms_epsilon");
  config.vocab_size = Embedding(file).shape[0];
  config.tie_embeddings =
      std::none_of(file.tensors().begin(), file.tensors().end(),
                   [](const GgufTensor& tensor) { return tensor.name == "output.weight"; });
  config.bos_id = file.Integer("tokenizer.ggml.bos_token_id", -1);
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const int64_t id = file.Integer(key, -1);
    if (id >= config.vocab_size) {
      file.Refuse(std::string(key) + " is " + std::to_string(id) + ", outside the vocabulary of " +
                  std::to_string(config.vocab_size));
    }
    if (id >= 0 && std::count(config.eos_ids.begin(), config.eos_ids.end(), id) == 0) {
      config.eos_ids.push_back(id);
    }
  }
  return config;
}

}  // namespace cohort::policy
