// GGUF tensors of the `llama` architecture -> Hugging Face names and row order.

#include <ATen/ATen.h>

#include <map>
#include <utility>
#include <vector>

#include "policy/gguf.h"
#include "policy/parallel_tasks.h"

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

struct Naming {
  std::string name;    // Hugging Face; "" when the tensor is not known
  std::string module;  // "attn_q" and the like, "" outside the layers
};

Naming NamingOf(const std::string& name) {
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

GgufWeights::GgufWeights(GgufFile file, const ModelConfig& config, at::ScalarType dtype)
    : file_(std::move(file)), dtype_(dtype) {
  std::map<std::string, std::vector<int64_t>> found;
  for (const GgufTensor& tensor : file_.tensors()) {
    const Naming naming = NamingOf(tensor.name);
    if (naming.name.empty()) {
      file_.Refuse("tensor '" + tensor.name + "' is not one that a llama model has here",
                   "biases and extra modules are not supported");
    }
    Place place{tensor};
    if (naming.module == "attn_q") place.rotated_heads = config.attention.num_heads;
    if (naming.module == "attn_k") place.rotated_heads = config.attention.num_kv_heads;
    found.emplace(naming.name, tensor.shape);
    places_.emplace(naming.name, std::move(place));
  }
  CheckShapes(ExpectedTensors(config), found, file_.source());
}

at::Tensor GgufWeights::Take(const std::string& name) {
  const auto found = places_.find(name);
  if (found == places_.end()) return {};
  const auto& [tensor, rotated_heads] = found->second;
  const at::Tensor weight = at::empty(tensor.shape, at::kFloat);
  file_.Read(tensor, {weight.data_ptr<float>(), static_cast<size_t>(weight.numel())});
  return (rotated_heads > 0 ? RowsForHalfRotation(weight, rotated_heads) : weight).to(dtype_);
}

at::Tensor GgufWeights::TakeExpert(const std::string& name, ExpertIndex expert) {
  const at::Tensor tensor = Take(name);
  return tensor.defined() && tensor.size(0) == expert.count ? tensor[expert.index] : at::Tensor();
}

WeightMap GgufWeights::TakeAll() {
  std::vector<WeightMap::value_type*> order;
  WeightMap weights;
  for (const auto& [name, place] : places_) order.push_back(&*weights.try_emplace(name).first);
  RunTasks(static_cast<int64_t>(order.size()), [&](int64_t i) {
    WeightMap::value_type& item = *order[static_cast<size_t>(i)];
    item.second = Take(item.first);
  });
  return weights;
}

}  // namespace cohort::policy
