#pragma once

// How a Hugging Face folder names and cuts the tensors of policy/weights.h.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "policy/config.h"
#include "policy/weights.h"

namespace cohort::policy {

// One tensor on disk and the part of the tensor in memory that it fills, a view.
struct StoredTensor {
  std::string name;
  at::Tensor part;
};

// The names that transformers' save_pretrained writes: every routed expert on its own, in the
// family's words. (transformers 5 can also leave the experts fused; then the names are those of
// policy/weights.h.)
std::vector<StoredTensor> StoredTensors(const ModelConfig& config, const std::string& name,
                                        const at::Tensor& tensor);

// The router's selection bias is stored in fp32 whatever the dtype of the folder.
bool IsSelectionBias(const std::string& name);

// Tensors that some exports carry and that are knowingly left out.
bool IsIgnored(const ModelConfig& config, const std::string& name);
// Of those, the ones of multi-token-prediction layers, which follow the model's own.
bool IsOfMtpLayer(const ModelConfig& config, const std::string& name);

}  // namespace cohort::policy
