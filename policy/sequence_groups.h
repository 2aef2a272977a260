#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace cohort::policy {

// Sequences of one length lie next to each other and form one attention call without padding.
struct SequenceGroup {
  int64_t length = 0;  // L, tokens of each
  int64_t count = 0;   // n sequences: n * L consecutive rows
};

struct SequenceGroups {
  std::vector<SequenceGroup> groups;  // in the order of their rows
  // Row i of the grouped order is row order_T[i] of the pack; undefined when the pack has that
  // order.
  at::Tensor order_T;
  at::Tensor inverse_T;
};

// `offsets` as in PackedTokens. Sequences of equal length keep their order.
SequenceGroups GroupByLength(const std::vector<int64_t>& offsets, at::Device device);

}  // namespace cohort::policy
