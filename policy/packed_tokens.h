#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cohort::policy {

// Several sequences end to end, without padding. T packed tokens.
struct PackedTokens {
  at::Tensor ids_T;        // int64
  at::Tensor positions_T;  // int64, restarts at 0 with every sequence
  std::vector<int64_t>
      offsets;  // sequence s is rows offsets[s] .. offsets[s+1]-1; offsets.back() == T
};

PackedTokens Pack(const std::vector<std::vector<int32_t>>& sequences, at::Device device = at::kCPU);

}  // namespace cohort::policy
