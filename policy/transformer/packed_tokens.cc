#include "policy/transformer/packed_tokens.h"

#include <ATen/ops/empty.h>

#include "base/error.h"

namespace cohort::policy {
namespace {

// The finaliser of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014).
uint64_t Mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

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

at::Tensor PrefixKeys(const PackedTokens& tokens) {
  const at::Tensor ids = tokens.ids_T.to(at::kCPU).contiguous();
  const at::Tensor keys = at::empty({ids.numel()}, at::kLong);
  const int64_t* id = ids.const_data_ptr<int64_t>();
  int64_t* key = keys.mutable_data_ptr<int64_t>();
  for (const Segment& segment : tokens.segments) {
    const int64_t before = segment.prefix_first + segment.prefix_length - 1;
    uint64_t last = segment.prefix_length > 0 ? static_cast<uint64_t>(key[before]) : 0;
    for (int64_t t = segment.first; t < segment.first + segment.length; ++t) {
      last = Mixed(last + 0x9e3779b97f4a7c15u * (static_cast<uint64_t>(id[t]) + 1));
      key[t] = static_cast<int64_t>(last);
    }
  }
  return keys;
}

}  // namespace cohort::policy
