#include "kernels/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "kernels/cpu/isa.h"

namespace cohort::kernels {

std::vector<float> ReferenceProduct(const std::vector<float>& a, const std::vector<float>& w,
                                    int64_t rows, int64_t columns, int64_t depth) {
  std::vector<float> c(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t column = 0; column < columns; ++column) {
      float sum = 0.0f, chain = 0.0f;
      for (int64_t k = 0; k < depth; ++k) {
        chain = std::fma(a[static_cast<size_t>(r * depth + k)],
                         w[static_cast<size_t>(column * depth + k)], chain);
        if (k % 256 == 255 || k == depth - 1) {
          sum += chain;
          chain = 0.0f;
        }
      }
      c[static_cast<size_t>(r * columns + column)] = sum;
    }
  }
  return c;
}

namespace {

float WithoutDenormal(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? 0.0f * x : x; }

// To bf16, to nearest even, and back.
float Rounded(float x) {
  if (!std::isfinite(x)) return x;
  int exponent;
  std::frexp(WithoutDenormal(x), &exponent);
  const float unit = std::ldexp(1.0f, std::max(exponent - 8, -149));  // 8 digits of 24
  return std::nearbyint(WithoutDenormal(x) / unit) * unit;
}

}  // namespace

std::vector<float> ReferencePairProduct(const std::vector<float>& a, const std::vector<float>& w,
                                        int64_t rows, int64_t columns, int64_t depth) {
  std::vector<float> c;
  const auto at = [depth](const std::vector<float>& x, int64_t row, int64_t k) {
    return k < depth ? Rounded(x[static_cast<size_t>(row * depth + k)]) : 0.0f;
  };
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t column = 0; column < columns; ++column) {
      float sum = 0.0f, chain = 0.0f;
      for (int64_t k = 0; k < depth; k += 2) {
        for (const int64_t term : {k + 1, k}) {
          chain = WithoutDenormal(std::fma(at(a, r, term), at(w, column, term), chain));
        }
        if (k % 256 == 254 || k + 2 >= depth) {
          sum = WithoutDenormal(sum + chain);
          chain = 0.0f;
        }
      }
      c.push_back(sum);
    }
  }
  return c;
}

std::vector<float> ReferenceAmxProduct(const std::vector<float>& a, const std::vector<float>& w,
                                       int64_t rows, int64_t columns, int64_t depth) {
  std::vector<float> c;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t column = 0; column < columns; ++column) {
      float sum = 0.0f;
      for (int64_t first = 0; first < depth; first += 32) {
        float chains[2] = {0.0f, 0.0f};
        for (int64_t k = first; k < std::min(first + 32, depth); ++k) {
          float& chain = chains[k % 2];
          chain =
              WithoutDenormal(std::fma(Rounded(a[static_cast<size_t>(r * depth + k)]),
                                       Rounded(w[static_cast<size_t>(column * depth + k)]), chain));
        }
        sum = WithoutDenormal(sum + WithoutDenormal(chains[0] + chains[1]));
      }
      c.push_back(sum);
    }
  }
  return c;
}

namespace {

// A matrix in e4m3: its numbers, and the scale of each.
struct ReferenceFp8 {
  std::vector<float> values, scales;
};

// Blocks of `block_rows` x 128.
ReferenceFp8 ReferenceQuantize(const std::vector<float>& x, int64_t depth, int64_t block_rows,
                               float floor) {
  ReferenceFp8 out{std::vector<float>(x.size()), std::vector<float>(x.size())};
  const int64_t rows = static_cast<int64_t>(x.size()) / depth;
  const auto block_of = [&](int64_t i, int64_t k) { return std::pair(i / block_rows, k / 128); };
  std::map<std::pair<int64_t, int64_t>, float> largest;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t k = 0; k < depth; ++k) {
      float& most = largest[block_of(i, k)];
      most = std::max(most, std::fabs(x[static_cast<size_t>(i * depth + k)]));
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t k = 0; k < depth; ++k) {
      const auto at = static_cast<size_t>(i * depth + k);
      const float most = std::max(largest[block_of(i, k)], floor);
      out.scales[at] = most > 0 ? most / 448 : 1;
      out.values[at] = DecodeE4m3(EncodeE4m3(x[at] / out.scales[at]));
    }
  }
  return out;
}

}  // namespace

std::vector<float> ReferenceFp8Product(const std::vector<float>& a, const std::vector<float>& w,
                                       int64_t rows, int64_t columns, int64_t depth, Fp8Pass pass) {
  const float smallest = 448 * std::numeric_limits<float>::min();
  const ReferenceFp8 a8 =
      ReferenceQuantize(a, depth, 1, pass == Fp8Pass::kFprop ? 1e-4f : smallest);
  std::vector<float> rounded = w;
  for (float& x : rounded) x = Rounded(x);
  const ReferenceFp8 w8 = pass == Fp8Pass::kWgrad ? ReferenceQuantize(w, depth, 1, 1e-4f)
                                                  : ReferenceQuantize(rounded, depth, 128, 0);
  std::vector<float> c;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t column = 0; column < columns; ++column) {
      float sum = 0;
      for (int64_t first = 0; first < depth; first += 128) {
        const int64_t end = std::min(first + 128, depth);
        float dot = 0;
        for (int64_t k = first; k < end; k += 2) {
          for (const int64_t term : {k + 1, k}) {
            if (term >= end) continue;
            dot = std::fma(a8.values[static_cast<size_t>(r * depth + term)],
                           w8.values[static_cast<size_t>(column * depth + term)], dot);
          }
        }
        sum = std::fma(dot,
                       a8.scales[static_cast<size_t>(r * depth + first)] *
                           w8.scales[static_cast<size_t>(column * depth + first)],
                       sum);
      }
      c.push_back(sum);
    }
  }
  return c;
}

std::vector<float> ReferenceLaneProduct(const std::vector<float>& a, const std::vector<float>& w,
                                        int64_t rows, int64_t columns, int64_t depth) {
  std::vector<float> c;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t column = 0; column < columns; ++column) {
      float lanes[16] = {}, chains[16] = {};
      for (int64_t k = 0; k < depth; ++k) {
        float& chain = chains[k % 16];
        chain = std::fma(a[static_cast<size_t>(r * depth + k)],
                         w[static_cast<size_t>(column * depth + k)], chain);
        if (k / 16 % 256 == 255 || k + 16 >= depth) {
          lanes[k % 16] += chain;
          chain = 0.0f;
        }
      }
      for (int half = 8; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
      }
      c.push_back(lanes[0]);
    }
  }
  return c;
}

std::vector<float> ReferenceAttention(std::vector<float> scores, const ReferenceScores& how,
                                      const std::vector<float>& values) {
  const int64_t seen = std::ssize(scores) - how.first;
  float* row = scores.data() + how.first;
  if (how.soft_cap > 0) ScalarOps().soft_cap(row, how.scale, how.soft_cap, seen);
  const float scale = how.soft_cap > 0 ? 1.0f : how.scale;
  const float sum = ScalarOps().softmax_exp(row, scale, how.sink, seen).total;
  std::fill(scores.begin(), scores.begin() + how.first, 0.0f);
  std::vector<float> out(values.size() / scores.size());
  for (size_t d = 0; d < out.size(); ++d) {
    float weighted = 0.0f, chain = 0.0f;
    for (size_t t = 0; t < scores.size(); ++t) {
      chain = std::fma(scores[t], values[t * out.size() + d], chain);
      if (t % 256 == 255 || t == scores.size() - 1) {
        weighted += chain;
        chain = 0.0f;
      }
    }
    out[d] = weighted * (1.0f / sum);
  }
  return out;
}

std::vector<float> ReferenceFfn::operator()(const std::vector<float>& x) const {
  std::vector<float> both = ReferenceProduct(x, gate_up, 1, 2 * ffn_width, width);
  for (size_t i = 0; i < gate_up_bias.size(); ++i) both[i] = both[i] + gate_up_bias[i];
  std::vector<float> hidden(static_cast<size_t>(ffn_width));
  for (size_t i = 0; i < hidden.size(); ++i) {
    ScalarOps().gated_unit({unit, &both[i], &both[hidden.size() + i], 1}, &hidden[i]);
  }
  std::vector<float> out = ReferenceProduct(hidden, down, 1, width, ffn_width);
  for (size_t i = 0; i < down_bias.size(); ++i) out[i] = out[i] + down_bias[i];
  return out;
}

}  // namespace cohort::kernels
