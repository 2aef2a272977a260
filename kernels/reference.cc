#include "kernels/reference.h"

#include <cmath>

#include "kernels/isa.h"

namespace cohort::kernels {

std::vector<float> ReferenceProduct(const std::vector<float>& a, const std::vector<float>& w,
                                    int64_t rows, int64_t columns, int64_t depth) {
  std::vector<float> c(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t column = 0; column < columns; ++column) {
      float sum = 0.0f;
      for (int64_t k = 0; k < depth; ++k) {
        sum = std::fma(a[static_cast<size_t>(r * depth + k)],
                       w[static_cast<size_t>(column * depth + k)], sum);
      }
      c[static_cast<size_t>(r * columns + column)] = sum;
    }
  }
  return c;
}

std::vector<float> ReferenceAttention(const std::vector<float>& q, const std::vector<float>& keys,
                                      const std::vector<float>& values, int64_t length) {
  const auto head_dim = static_cast<int64_t>(q.size());
  std::vector<float> scores = ReferenceProduct(q, keys, 1, length, head_dim);
  const float sum = ScalarOps().softmax_exp(scores.data(),
                                            1.0f / std::sqrt(static_cast<float>(head_dim)), length);
  std::vector<float> out(q.size());
  for (size_t d = 0; d < out.size(); ++d) {
    float weighted = 0.0f;
    for (int64_t t = 0; t < length; ++t) {
      const size_t at = static_cast<size_t>(t);
      weighted = std::fma(scores[at], values[at * out.size() + d], weighted);
    }
    out[d] = weighted * (1.0f / sum);
  }
  return out;
}

std::vector<float> ReferenceFfn(const std::vector<float>& x, const std::vector<float>& gate_up,
                                const std::vector<float>& down, int64_t width, int64_t ffn_width) {
  const std::vector<float> both = ReferenceProduct(x, gate_up, 1, 2 * ffn_width, width);
  std::vector<float> hidden(static_cast<size_t>(ffn_width));
  for (size_t i = 0; i < hidden.size(); ++i) {
    float pair[32] = {both[i]};
    pair[16] = both[hidden.size() + i];
    ScalarOps().silu_mul(pair, 1, &hidden[i]);
  }
  return ReferenceProduct(hidden, down, 1, width, ffn_width);
}

}  // namespace cohort::kernels
