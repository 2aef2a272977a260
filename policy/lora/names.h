#pragma once

// The names of the two tensors of a linear layer's adapter (policy/lora/lora.h).

#include <string>
#include <string_view>

namespace cohort::policy {

constexpr std::string_view kLoraDown = ".lora_A.weight", kLoraUp = ".lora_B.weight";

// The layer that the tensor `name` of an adapter belongs to.
inline std::string AdaptedModule(const std::string& name) {
  return name.substr(0, name.rfind(".lora_"));
}

}  // namespace cohort::policy
