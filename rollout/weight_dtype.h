#pragma once

// In which dtype a worker keeps the policy's tensors. The learner rounds to it when it writes an
// image of the weights, so that no byte is sent that the worker would throw away.

#include <cstdint>
#include <string_view>

namespace cohort::rollout {

enum class WeightDtype { kFloat32, kBFloat16 };  // storage; accumulation is always fp32

// A worker of `dtype` keeps matrices in it; norms, biases and the router's matrix stay fp32. `name`
// is the tensor's name in policy::ExpectedTensors.
WeightDtype KeptDtype(std::string_view name, int64_t dimensions, WeightDtype dtype);

// The spelling of safetensors: F32, BF16.
const char* SafetensorsName(WeightDtype dtype);

}  // namespace cohort::rollout
