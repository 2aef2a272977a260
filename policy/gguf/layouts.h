#pragma once

// Where a tensor of a GGUF file goes in policy/weights/weights.h, and how its values lie there.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "policy/config/config.h"

namespace cohort::policy {

struct GgufPlace {
  std::string name;         // "" where the file's tensor has no place in the model
  int64_t layer = -1;       // outside the layers
  bool is_indexer = false;  // of the indexer of sparse attention
  int part = 0;  // some of ours are two in the file: gate and up, queries to values and their gate
};

// The place of the file's tensor `name`.
GgufPlace PlaceOfGgufTensor(const ModelConfig& config, const std::string& name);

// The tensor `name` from its parts in order: undoes what llama.cpp's converter (conversion/*.py)
// did. `reorders_rows`: policy/gguf/architecture.h. Of tensors without values (device meta) it
// gives the shape. Throws c10::Error where the parts do not fit together.
at::Tensor FromGgufLayout(const ModelConfig& config, bool reorders_rows, const std::string& name,
                          const std::vector<at::Tensor>& parts);

}  // namespace cohort::policy
