#pragma once

// Scaling of rotary positions: from GGUF metadata to fields of config.json.

#include <nlohmann/json.hpp>
#include <string>

#include "policy/gguf/file.h"

namespace cohort::policy {

// rope_scaling of config.json; null without scaling. `head_dim`: the rotated width of a head. Llama
// 3's comes as the tensor `rope_freqs.weight`, by which each of the head_dim / 2 frequencies is
// divided: the parameters are those of Llama 3.1's formula that give it. Longrope's two lists of
// factors are tensors. kUsage for a kind of scaling, or factors, that no family here has.
nlohmann::json GgufRopeScaling(const GgufFile& file, const std::string& architecture,
                               int64_t head_dim);

// True for the tensors of GgufRopeScaling, which are no weights.
bool IsGgufRopeTensor(const std::string& name);

}  // namespace cohort::policy
