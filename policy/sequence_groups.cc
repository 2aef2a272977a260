#include "policy/sequence_groups.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <numeric>

namespace cohort::policy {

SequenceGroups GroupByLength(const std::vector<int64_t>& offsets, at::Device device) {
  const size_t count = offsets.empty() ? 0 : offsets.size() - 1;
  const auto length = [&](size_t s) { return offsets[s + 1] - offsets[s]; };
  std::vector<size_t> sequences(count);
  std::iota(sequences.begin(), sequences.end(), size_t{0});
  std::stable_sort(sequences.begin(), sequences.end(),
                   [&](size_t a, size_t b) { return length(a) < length(b); });
  SequenceGroups out;
  for (const size_t s : sequences) {
    if (length(s) == 0) continue;
    if (out.groups.empty() || out.groups.back().length != length(s)) {
      out.groups.push_back({length(s), 0});
    }
    ++out.groups.back().count;
  }
  if (std::is_sorted(sequences.begin(), sequences.end())) return out;
  at::Tensor order = at::empty({offsets.back()}, at::kLong);
  at::Tensor inverse = at::empty({offsets.back()}, at::kLong);
  int64_t* to = order.mutable_data_ptr<int64_t>();
  int64_t* back = inverse.mutable_data_ptr<int64_t>();
  int64_t row = 0;
  for (const size_t s : sequences) {
    for (int64_t i = offsets[s]; i < offsets[s + 1]; ++i, ++row) {
      to[row] = i;
      back[i] = row;
    }
  }
  out.order_T = order.to(device);
  out.inverse_T = inverse.to(device);
  return out;
}

}  // namespace cohort::policy
