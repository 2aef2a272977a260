#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "policy/transformer/ops/attend_segments.h"

namespace cohort::policy {

// Several segments end to end, without padding. T packed tokens.
struct PackedTokens {
  at::Tensor ids_T;               // int64
  at::Tensor positions_T;         // int64, of each token in its sequence
  std::vector<Segment> segments;  // in the order of their rows; one may be empty
};

// One segment to pack. `prefix`: the index of an earlier piece without a prefix whose tokens come
// before these, or -1.
struct Piece {
  std::span<const int32_t> ids;
  int64_t prefix = -1;
};
PackedTokens Pack(const std::vector<Piece>& pieces, at::Device device = at::kCPU);
// Whole sequences.
PackedTokens Pack(const std::vector<std::vector<int32_t>>& sequences, at::Device device = at::kCPU);

// A number for each row that follows from its token and those before it in its sequence alone: a
// prompt has the same whether completions share it or not, in whichever micro-batch. [T] int64 on
// the CPU.
at::Tensor PrefixKeys(const PackedTokens& tokens);

}  // namespace cohort::policy
