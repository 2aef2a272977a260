// GGUF tensors of the `llama` architecture -> Hugging Face names and row order.

#include <ATen/ATen.h>

#include <map>

#include "policy/gguf.h"

namespace cohort::policy {
namespace {

// blk.L.<key>.weight -> model.layers.L.<value>.weight
const std::map<std::string, std::string> kLayerNames = {
    {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},   {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};

struct Place {
  std::string name;    // Hugging Face; "" when the tensor is not known
  std::string module;  // "attn_q" and the like, "" outside the layers
};

Place PlaceOf(const std::string& name) {
  if (name == "token_embd.weight") return {"model.embed_tokens.weight", ""};
  if (name == "output_norm.weight") return {"model.norm.weight", ""};
  if (name == "output.weight") return {"lm_head.weight", ""};
  constexpr std::string_view kPrefix = "blk.", kSuffix = ".weight";
  const size_t dot = name.find('.', kPrefix.size());
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || dot == std::string::npos ||
      dot + 1 > name.size() - kSuffix.size()) {
    return {};
  }
  const std::string layer = name.substr(kPrefix.size(), dot - kPrefix.size());
  const std::string module = name.substr(dot + 1, name.size() - kSuffix.size() - dot - 1);
  const auto found = kLayerNames.find(module);
  if (found == kLayerNames.end()) return {};
  return {"model.layers." + layer + "." + found->second + ".weight", module};
}

// llama.cpp rotates neighbouring pairs (x0 x1)(x2 x3).. and stores the rows of q and k for that;
// Hugging Face rotates (x0 x_{d/2}).. : [heads, d/2, 2, D] -> [heads, 2, d/2, D].
at::Tensor RowsForHalfRotation(const at::Tensor& weight, int64_t heads) {
  const int64_t half = weight.size(0) / heads / 2;
  return weight.view({heads, half, 2, weight.size(1)})
      .transpose(1, 2)
      .reshape({weight.size(0), weight.size(1)});
}

}  // namespace

WeightMap GgufWeights(const GgufFile& file, const ModelConfig& config, at::ScalarType dtype) {
  WeightMap weights;
  for (const GgufTensor& entry : file.tensors()) {
    const Place place = PlaceOf(entry.name);
    if (place.name.empty()) {
      file.Refuse("tensor '" + entry.name + "' is not one that a llama model has here",
                  "biases and extra modules are not supported");
    }
    at::Tensor weight = at::empty(entry.shape, at::kFloat);
    file.Read(entry, {weight.data_ptr<float>(), static_cast<size_t>(weight.numel())});
    if (place.module == "attn_q" || place.module == "attn_k") {
      const int64_t heads =
          place.module == "attn_q" ? config.attention.num_heads : config.attention.num_kv_heads;
      if (weight.dim() != 2 || weight.size(0) != heads * config.attention.head_dim) {
        file.Refuse("tensor '" + entry.name + "' has " + std::to_string(weight.size(0)) +
                    " rows; expected " + std::to_string(heads * config.attention.head_dim));
      }
      weight = RowsForHalfRotation(weight, heads);
    }
    weights[place.name] = weight.to(dtype);
  }
  CheckWeights(config, weights, file.source());
  return weights;
}

}  // namespace cohort::policy
