// GGUF tensors -> the names and the order of rows of policy/weights.h.

#include <ATen/ATen.h>

#include <map>
#include <utility>
#include <vector>

#include "policy/gguf.h"
#include "policy/parallel_tasks.h"

namespace cohort::policy {
namespace {

// blk.L.<key> -> model.layers.L.<value>. A layer's routed experts are one tensor for each of gate
// and up, which are one in policy/weights.h.
const std::map<std::string, std::string> kLayerNames = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_q.bias", "self_attn.q_proj.bias"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_k.bias", "self_attn.k_proj.bias"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_v.bias", "self_attn.v_proj.bias"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_gate_inp.weight", "mlp.gate.weight"},
    {"ffn_gate_exps.weight", "mlp.experts.gate_up_proj"},
    {"ffn_up_exps.weight", "mlp.experts.gate_up_proj"},
    {"ffn_down_exps.weight", "mlp.experts.down_proj"},
};

struct Naming {
  std::string name;    // as in policy/weights.h; "" when the tensor is not known
  std::string module;  // "attn_q.weight" and the like, "" outside the layers
};

Naming NamingOf(const std::string& name) {
  if (name == "token_embd.weight") return {"model.embed_tokens.weight", ""};
  if (name == "output_norm.weight") return {"model.norm.weight", ""};
  if (name == "output.weight") return {"lm_head.weight", ""};
  constexpr std::string_view kPrefix = "blk.";
  const size_t dot = name.find('.', kPrefix.size());
  if (!name.starts_with(kPrefix) || dot == std::string::npos) return {};
  const std::string layer = name.substr(kPrefix.size(), dot - kPrefix.size());
  const std::string module = name.substr(dot + 1);
  const auto found = kLayerNames.find(module);
  if (found == kLayerNames.end()) return {};
  return {"model.layers." + layer + "." + found->second, module};
}

// Gate before up, whatever the file's order.
bool ComesFirst(const GgufTensor& tensor) {
  return tensor.name.find("ffn_gate_exps") != std::string::npos;
}

// One matrix of a stack.
GgufTensor SliceOf(const GgufTensor& stack, int64_t index) {
  GgufTensor slice = stack;
  slice.shape.erase(slice.shape.begin());
  slice.elements = stack.elements / stack.shape[0];
  slice.bytes = stack.bytes / static_cast<uint64_t>(stack.shape[0]);
  slice.offset = stack.offset + static_cast<uint64_t>(index) * slice.bytes;
  return slice;
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
  // Of llama.cpp's architectures only `llama` has rows of q and k in its own order.
  const bool reordered = config.family == "llama" || config.family == "mixtral";
  std::map<std::string, std::vector<int64_t>> found;
  for (const GgufTensor& tensor : file_.tensors()) {
    if (tensor.name == "rope_freqs.weight") continue;  // policy/gguf_rope.h
    const Naming naming = NamingOf(tensor.name);
    if (naming.name.empty()) {
      file_.Refuse(
          "tensor '" + tensor.name + "' is not one that a " + config.family + " model has here",
          "extra modules are not supported");
    }
    Place& place = places_[naming.name];
    place.parts.insert(ComesFirst(tensor) ? place.parts.begin() : place.parts.end(), tensor);
    if (reordered && naming.module == "attn_q.weight") {
      place.rotated_heads = config.attention.num_heads;
    }
    if (reordered && naming.module == "attn_k.weight") {
      place.rotated_heads = config.attention.num_kv_heads;
    }
    std::vector<int64_t>& shape = found[naming.name];
    if (shape.size() == 3 && tensor.shape.size() == 3 && shape[0] == tensor.shape[0] &&
        shape[2] == tensor.shape[2]) {
      shape[1] += tensor.shape[1];
    } else {
      shape = tensor.shape;
    }
  }
  CheckShapes(ExpectedTensors(config), found, file_.source());
}

at::Tensor GgufWeights::Read(const GgufTensor& tensor) const {
  at::Tensor weight = at::empty(tensor.shape, at::kFloat);
  file_.Read(tensor, {weight.data_ptr<float>(), static_cast<size_t>(weight.numel())});
  return weight;
}

at::Tensor GgufWeights::Take(const std::string& name) {
  const auto found = places_.find(name);
  if (found == places_.end()) return {};
  const auto& [parts, rotated_heads] = found->second;
  if (parts.size() == 1) {
    const at::Tensor weight = Read(parts[0]);
    return (rotated_heads > 0 ? RowsForHalfRotation(weight, rotated_heads) : weight).to(dtype_);
  }
  return at::cat({Read(parts[0]), Read(parts[1])}, 1).to(dtype_);
}

at::Tensor GgufWeights::TakeExpert(const std::string& name, ExpertIndex expert) {
  const auto found = places_.find(name);
  if (found == places_.end() || found->second.parts[0].shape.size() != 3 ||
      found->second.parts[0].shape[0] != expert.count) {
    return {};
  }
  std::vector<at::Tensor> parts;
  for (const GgufTensor& part : found->second.parts) {
    parts.push_back(Read(SliceOf(part, expert.index)));
  }
  return at::cat(parts, 0).to(dtype_);
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
