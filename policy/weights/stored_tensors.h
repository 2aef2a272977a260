#pragma once

// The tensors of policy/weights/weights.h as a Hugging Face folder names and cuts them.

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policy/config/config.h"
#include "policy/tensor/dtype.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

// One tensor on disk and the part of the tensor in memory that it fills.
struct StoredTensor {
  StoredTensor(std::string name, const at::Tensor& part)
      : StoredTensor(std::move(name), part, part.sizes().vec()) {}
  StoredTensor(std::string name, at::Tensor part, std::vector<int64_t> shape)
      : name(std::move(name)), part(std::move(part)), shape(std::move(shape)) {}

  std::string name;
  at::Tensor part;             // a view; its elements in their order are those on disk
  std::vector<int64_t> shape;  // on disk
};

// The names and layouts that transformers' save_pretrained writes, in the family's words: every
// routed expert on its own, or a layer's experts in one tensor, as policy/config/family.h says.
// (transformers 5 can also leave the former fused; then the names are those of
// policy/weights/weights.h.) Multi-token-prediction layers repeat the embedding and the head, as
// DeepSeek-V3's folder does.
std::vector<StoredTensor> StoredTensors(const ModelConfig& config, const std::string& name,
                                        const at::Tensor& tensor);

// The same for one expert of a layer's fused ones: the parts of `slice`, tensor[expert]. Where the
// folder has the experts in one tensor, the part is to be found in slice `expert` of it.
std::vector<StoredTensor> StoredExpert(const ModelConfig& config, const std::string& name,
                                       int64_t expert, const at::Tensor& slice);

// True where the folder has the experts of tensor `name` in one tensor of another layout than the
// one in memory.
bool IsInterleaved(const ModelConfig& config, const std::string& name);
// `experts`, a tensor or one slice of it, by the rows of the folder's MXFP4 blocks, in their order:
// [..., rows, columns], the rows of gate and up in turn. Nothing where a folder has no such blocks.
std::optional<StoredTensor> StoredRows(const ModelConfig& config, const std::string& name,
                                       const at::Tensor& experts);

// A model's tensors as linear layers, every routed expert with layers of its own, whatever the
// folder's layout: what adapters are named after (policy/lora/merge.h).
std::vector<StoredTensor> LinearLayers(const ModelConfig& config, const std::string& name,
                                       const at::Tensor& tensor);
// Those of one expert: the parts of `slice`, tensor[expert].
std::vector<StoredTensor> ExpertLayers(const ModelConfig& config, const std::string& name,
                                       int64_t expert, const at::Tensor& slice);

// The dtype that a folder written in `folder_dtype` stores a tensor of policy/weights/weights.h in:
// the router's selection bias is float32 in any; fp8 is for the matrices of attention and
// experts alone, and embedding, head, gates, biases and norms are then bfloat16, as in
// DeepSeek-V3's.
Dtype StoredDtype(const std::string& name, size_t dimensions, Dtype folder_dtype);

// v_head.*: what PPO with a value head leaves in an export.
bool IsValueHead(const std::string& name);
// self_attn.indexer.*: chooses the tokens of DeepSeek-V3.2's sparse attention, which are all of
// them in the sequences that are supported.
bool IsIndexer(const std::string& name);

// Of a folder whose model has gated delta nets: its multi-token-prediction block, which bears names
// of its own, and the vision model beside a text model. Neither is supported.
bool IsOfMtpBlock(const ModelConfig& config, const std::string& name);
bool IsOfVisionModel(const ModelConfig& config, const std::string& name);
// What such a folder writes before the text model's names, in the place of "model.".
constexpr char kTextModelPrefix[] = "model.language_model.";

// Tensors that some exports carry and that are knowingly left out.
bool IsIgnored(const ModelConfig& config, const std::string& name);

}  // namespace cohort::policy
