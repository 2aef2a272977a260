#pragma once

// In which dtype a worker keeps the policy's tensors. The learner rounds to it when it writes an
// image of the weights, so that no byte is sent that the worker would throw away.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "policy/tensor/dtype.h"

namespace cohort::rollout {

// The dtypes of a worker by the names that a command line has for them.
std::map<std::string, policy::Dtype> WorkerDtypes();

// A worker of `dtype` (fp32 or bf16; it adds up in fp32 always) keeps matrices in it; norms,
// biases, the router's matrix and the shared expert's gate stay fp32. `name` is the tensor's name
// in policy::ExpectedTensors.
policy::Dtype KeptDtype(std::string_view name, int64_t dimensions, policy::Dtype dtype);

}  // namespace cohort::rollout
