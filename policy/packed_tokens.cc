#include "policy/packed_tokens.h"

#include <ATen/ops/empty.h>

namespace cohort::policy {

PackedTokens Pack(const std::vector<std::vector<int32_t>>& sequences, at::Device device) {
  PackedTokens out;
  out.offsets.push_back(0);
  for (const auto& sequence : sequences) {
    out.offsets.push_back(out.offsets.back() + static_cast<int64_t>(sequence.size()));
  }
  at::Tensor ids = at::empty({out.offsets.back()}, at::kLong);
  at::Tensor positions = at::empty({out.offsets.back()}, at::kLong);
  int64_t* id = ids.mutable_data_ptr<int64_t>();
  int64_t* position = positions.mutable_data_ptr<int64_t>();
  for (const auto& sequence : sequences) {
    for (size_t i = 0; i < sequence.size(); ++i) {
      *id++ = sequence[i];
      *position++ = static_cast<int64_t>(i);
    }
  }
  out.ids_T = ids.to(device);
  out.positions_T = positions.to(device);
  return out;
}

}  // namespace cohort::policy
