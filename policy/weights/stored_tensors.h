#pragma once

// The tensors of policy/weights/weights.h as a Hugging Face folder names and cuts them.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "policy/config/config.h"
#include "policy/tensor/dtype.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

// One tensor on disk and the part of the tensor in memory that it fills, a view.
struct StoredTensor {
  std::string name;
  at::Tensor part;
};

// The names that transformers' save_pretrained writes: every routed expert on its own, in the
// family's words. (transformers 5 can also leave the experts fused; then the names are those of
// policy/weights/weights.h.) Multi-token-prediction layers repeat the embedding and the head, as
// DeepSeek-V3's folder does.
std::vector<StoredTensor> StoredTensors(const ModelConfig& config, const std::string& name,
                                        const at::Tensor& tensor);

// The same for one expert of a layer's fused ones: the parts of `slice`, tensor[expert].
std::vector<StoredTensor> StoredExpert(const ModelConfig& config, const std::string& name,
                                       int64_t expert, const at::Tensor& slice);

// The dtype that a folder written in `folder_dtype` stores a tensor of policy/weights/weights.h in:
// the router's selection bias is float32 in any; fp8 is for the matrices of attention and
// experts alone, and embedding, head, gates and norms are then bfloat16, as in DeepSeek-V3's.
Dtype StoredDtype(const std::string& name, size_t dimensions, Dtype folder_dtype);

// v_head.*: what PPO with a value head leaves in an export.
bool IsValueHead(const std::string& name);
// self_attn.indexer.*: chooses the tokens of DeepSeek-V3.2's sparse attention, which are all of
// them in the sequences that are supported.
bool IsIndexer(const std::string& name);

// Tensors that some exports carry and that are knowingly left out.
bool IsIgnored(const ModelConfig& config, const std::string& name);

}  // namespace cohort::policy
