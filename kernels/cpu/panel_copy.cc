#include "kernels/cpu/panel_copy.h"

#include <algorithm>
#include <cstring>

namespace cohort::kernels {

// Four by four.
void Transpose(const float* from, int64_t from_row, int64_t rows, int64_t depth, float* to,
               int64_t to_row) {
  using Four = float __attribute__((vector_size(16), aligned(4)));
  const auto load = [](const float* p) { return *reinterpret_cast<const Four*>(p); };
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4) {
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) {
      const float* p = from + k * from_row + i;
      const Four a = load(p), b = load(p + from_row), c = load(p + 2 * from_row),
                 d = load(p + 3 * from_row);
      const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      const Four out[4] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
                           __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
                           __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                           __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
      for (int64_t r = 0; r < 4; ++r) std::memcpy(to + (i + r) * to_row + k, &out[r], sizeof(Four));
    }
    for (; i < rows; ++i) {
      for (int64_t kk = k; kk < k + 4; ++kk) to[i * to_row + kk] = from[kk * from_row + i];
    }
  }
  for (; k < depth; ++k) {
    for (int64_t i = 0; i < rows; ++i) to[i * to_row + k] = from[k * from_row + i];
  }
}

void CopyStrided(const float* from, int64_t from_row, int64_t from_column, int64_t rows,
                 int64_t depth, float* to, int64_t to_row) {
  if (from_row == 1) return Transpose(from, from_column, rows, depth, to, to_row);
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = from + i * from_row;
    if (from_column == 1) {
      std::copy_n(row, depth, to + i * to_row);
    } else {
      for (int64_t k = 0; k < depth; ++k) to[i * to_row + k] = row[k * from_column];
    }
  }
}

void CopyPanel(const float* from, int64_t from_row, int64_t depth, int64_t count, float* to) {
  if (count == 16) {
    for (int64_t k = 0; k < depth; ++k) {
      std::memcpy(to + k * 16, from + k * from_row, 16 * sizeof(float));
    }
    return;
  }
  std::fill(to, to + depth * 16, 0.0f);
  for (int64_t k = 0; k < depth; ++k) std::copy_n(from + k * from_row, count, to + k * 16);
}

}  // namespace cohort::kernels
