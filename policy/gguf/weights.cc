// GGUF tensors -> the names and the order of rows of policy/weights/weights.h.

#include "policy/gguf/weights.h"

#include <ATen/ATen.h>

#include <map>
#include <utility>
#include <vector>

#include "policy/tensor/parallel_tasks.h"

namespace cohort::policy {
namespace {

// blk.L.<key> -> model.layers.L.<value>. Some tensors of policy/weights/weights.h are two in
// the file: routed experts' gate and up, and latent attention's keys and values.
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
    {"attn_q_a.weight", "self_attn.q_a_proj.weight"},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight"},
    {"attn_q_b.weight", "self_attn.q_b_proj.weight"},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight"},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight"},
    {"attn_kv_b.weight", "self_attn.kv_b_proj.weight"},
    {"attn_k_b.weight", "self_attn.kv_b_proj.weight"},
    {"attn_v_b.weight", "self_attn.kv_b_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight"},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight"},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight"},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
    {"ffn_gate_inp.weight", "mlp.gate.weight"},
    {"ffn_gate_exps.weight", "mlp.experts.gate_up_proj"},
    {"ffn_up_exps.weight", "mlp.experts.gate_up_proj"},
    {"ffn_down_exps.weight", "mlp.experts.down_proj"},
};

struct Naming {
  std::string name;    // as in policy/weights/weights.h; "" when the tensor is not known
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

// Gate before up, keys before values, whatever the file's order.
bool ComesFirst(const GgufTensor& tensor) {
  return tensor.name.ends_with(".ffn_gate_exps.weight") ||
         tensor.name.ends_with(".attn_k_b.weight");
}

bool IsLatentUp(const std::string& name) { return name.ends_with(".kv_b_proj.weight"); }

// Experts' [E, m, D] twice as [E, 2 m, D]; keys [H, R, nope] and values [H, v, R] of latent
// attention as [H (nope + v), R] (DeepseekV2Model.modify_tensors of llama.cpp's converter).
at::Tensor Joined(const std::string& name, const at::Tensor& a, const at::Tensor& b) {
  if (!IsLatentUp(name)) return at::cat({a, b}, 1);
  return at::cat({a.transpose(1, 2), b}, 1).flatten(0, 1);
}

// The shape of the whole that the parts make; the first one's where they do not fit together.
std::vector<int64_t> JoinedShape(const std::string& name, const std::vector<GgufTensor>& parts) {
  const std::vector<int64_t>& a = parts[0].shape;
  if (parts.size() != 2 || a.size() != 3 || parts[1].shape.size() != 3) return a;
  const std::vector<int64_t>& b = parts[1].shape;
  if (IsLatentUp(name)) {
    return a[0] == b[0] && a[1] == b[2] ? std::vector{a[0] * (a[2] + b[1]), a[1]} : a;
  }
  return a[0] == b[0] && a[2] == b[2] ? std::vector{a[0], a[1] + b[1], a[2]} : a;
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

GgufWeights::GgufWeights(GgufFile file, const ModelConfig& config, Dtype dtype)
    : file_(std::move(file)), dtype_(TorchDtype(dtype)) {
  // llama.cpp orders the rows of q and k its own way in the architecture `llama` only.
  const bool reordered = config.family == "llama" || config.family == "mixtral";
  for (const GgufTensor& tensor : file_.tensors()) {
    if (tensor.name == "rope_freqs.weight") continue;  // policy/gguf/rope.h
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
  }
  std::map<std::string, std::vector<int64_t>> found;
  for (const auto& [name, place] : places_) found.emplace(name, JoinedShape(name, place.parts));
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
  at::Tensor weight = Read(parts[0]);
  if (rotated_heads > 0) weight = RowsForHalfRotation(weight, rotated_heads);
  if (parts.size() == 2) weight = Joined(name, weight, Read(parts[1]));
  return weight.to(name.ends_with("e_score_correction_bias") ? at::kFloat : dtype_);
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
