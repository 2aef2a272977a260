#include "policy/transformer/packed_tokens.h"

#include <ATen/ops/empty.h>

#include "base/error.h"

namespace cohort::policy {

PackedTokens Pack(const std::vector<Piece>& pieces, at::Device device) {
  PackedTokens out;
  int64_t rows = 0;
  for (const Piece& piece : pieces) {
    Segment segment{.first = rows, .length = static_cast<int64_t>(piece.ids.size())};
    if (piece.prefix >= 0) {
      COHORT_CHECK(piece.prefix < static_cast<int64_t>(out.segments.size()) &&
                       pieces[static_cast<size_t>(piece.prefix)].prefix < 0,
                   "a prefix is an earlier piece that has none itself");
      const Segment& prefix = out.segments[static_cast<size_t>(piece.prefix)];
      segment.prefix_first = prefix.first;
      segment.prefix_length = prefix.length;
    }
    out.segments.push_back(segment);
    rows += segment.length;
  }
  const at::Tensor ids = at::empty({rows}, at::kLong);
  const at::Tensor positions = at::empty({rows}, at::kLong);
  int64_t* id = ids.mutable_data_ptr<int64_t>();
  int64_t* position = positions.mutable_data_ptr<int64_t>();
  for (size_t s = 0; s < pieces.size(); ++s) {
    int64_t next = out.segments[s].prefix_length;
    for (const int32_t token : pieces[s].ids) {
      *id++ = token;
      *position++ = next++;
    }
  }
  out.ids_T = ids.to(device);
  out.positions_T = positions.to(device);
  return out;
}

PackedTokens Pack(const std::vector<std::vector<int32_t>>& sequences, at::Device device) {
  std::vector<Piece> pieces;
  for (const auto& sequence : sequences) pieces.push_back({sequence});
  return Pack(pieces, device);
}

}  // namespace cohort::policy
