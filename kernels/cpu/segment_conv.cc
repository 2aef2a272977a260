#include "kernels/cpu/segment_conv.h"

#include <algorithm>
#include <vector>

namespace cohort::kernels {
namespace {

constexpr int64_t kTaskRows = 64;

// Rows [first, end) of a segment, counted from its start.
struct Part {
  const AttentionSegment* segment;
  int64_t first, end;
};

std::vector<Part> Parts(std::span<const AttentionSegment> segments) {
  std::vector<Part> parts;
  for (const AttentionSegment& segment : segments) {
    for (int64_t row = 0; row < segment.length; row += kTaskRows) {
      parts.push_back({&segment, row, std::min(row + kTaskRows, segment.length)});
    }
  }
  return parts;
}

// The row of T that stands `back` rows before row `i` of a segment; -1: before the sequence's
// start.
int64_t RowBefore(const AttentionSegment& segment, int64_t i, int64_t back) {
  if (i >= back) return segment.first + i - back;
  const int64_t in_prefix = segment.prefix_length + i - back;
  return in_prefix >= 0 ? segment.prefix_first + in_prefix : -1;
}

// y += a b
void AddProducts(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

// What the gradients of one part's rows need of the sums before silu.
class PartBackward {
 public:
  PartBackward(const SegmentConvArgs& args, const Ops& ops)
      : args_(args), ops_(ops), sums_(static_cast<size_t>(args.channels)), squashed_(sums_) {}

  // The gradient of the sums, and what it adds to that of the weight, [W, C].
  void OfSums(const Part& part, const float* out_gradient, float* of_sums, float* of_weight) {
    const int64_t n = args_.channels;
    for (int64_t i = part.first; i < part.end; ++i) {
      const int64_t row = part.segment->first + i;
      std::fill(sums_.begin(), sums_.end(), 0.0f);
      ForEachSeen(part, i, [&](int64_t j, const float* x) {
        AddProducts(x, args_.weight + j * n, n, sums_.data());
      });
      ops_.sigmoid(sums_.data(), n, squashed_.data());
      const float* d = out_gradient + row * n;
      float* to = of_sums + row * n;
      for (int64_t c = 0; c < n; ++c) {
        const float s = squashed_[static_cast<size_t>(c)];
        to[c] = d[c] * (s * (1.0f + sums_[static_cast<size_t>(c)] * (1.0f - s)));
      }
      ForEachSeen(part, i,
                  [&](int64_t j, const float* x) { AddProducts(to, x, n, of_weight + j * n); });
    }
  }

 private:
  template <class F>
  void ForEachSeen(const Part& part, int64_t i, F f) const {
    for (int64_t j = 0; j < args_.width; ++j) {
      const int64_t seen = RowBefore(*part.segment, i, args_.width - 1 - j);
      if (seen >= 0) f(j, args_.x + seen * args_.channels);
    }
  }

  const SegmentConvArgs& args_;
  const Ops& ops_;
  std::vector<float> sums_, squashed_;
};

// Of the rows of a part, from the later rows of its segment that see them.
void OfRows(const SegmentConvArgs& args, const Part& part, const float* of_sums, float* of_x) {
  const int64_t n = args.channels;
  for (int64_t i = part.first; i < part.end; ++i) {
    float* to = of_x + (part.segment->first + i) * n;
    std::fill_n(to, n, 0.0f);
    for (int64_t back = 0; back < args.width && i + back < part.segment->length; ++back) {
      AddProducts(of_sums + (part.segment->first + i + back) * n,
                  args.weight + (args.width - 1 - back) * n, n, to);
    }
  }
}

// Of a prefix's last rows, from the first ones of a segment that goes on from it.
void OfPrefix(const SegmentConvArgs& args, const AttentionSegment& segment, const float* of_sums,
              float* of_x) {
  const int64_t n = args.channels;
  for (int64_t i = 0; i < std::min(segment.length, args.width - 1); ++i) {
    for (int64_t back = i + 1; back < args.width; ++back) {
      const int64_t row = RowBefore(segment, i, back);
      if (row < 0) continue;
      AddProducts(of_sums + (segment.first + i) * n, args.weight + (args.width - 1 - back) * n, n,
                  of_x + row * n);
    }
  }
}

}  // namespace

void ConvSiluOverSegments(const SegmentConvArgs& args, float* out, const Ops& ops,
                          const ParallelTasks& parallel) {
  const std::vector<Part> parts = Parts(args.segments);
  const std::vector<float> zeros(static_cast<size_t>(args.channels));
  parallel(std::ssize(parts), [&](int64_t task) {
    const Part& part = parts[static_cast<size_t>(task)];
    std::vector<const float*> seen(static_cast<size_t>(args.width));
    for (int64_t i = part.first; i < part.end; ++i) {
      for (int64_t j = 0; j < args.width; ++j) {
        const int64_t row = RowBefore(*part.segment, i, args.width - 1 - j);
        seen[static_cast<size_t>(j)] = row < 0 ? zeros.data() : args.x + row * args.channels;
      }
      ops.conv_silu(seen.data(), args.weight, args.width, args.channels,
                    out + (part.segment->first + i) * args.channels);
    }
  });
}

void ConvSiluOverSegmentsBackward(const SegmentConvArgs& args, const float* out_gradient,
                                  const ConvGradients& gradients, const Ops& ops,
                                  const ParallelTasks& parallel) {
  const std::vector<Part> parts = Parts(args.segments);
  const int64_t weights = args.width * args.channels;
  int64_t rows = 0;
  for (const AttentionSegment& s : args.segments) rows = std::max(rows, s.first + s.length);
  std::vector<float> of_sums(static_cast<size_t>(rows * args.channels));
  std::vector<float> of_weight(static_cast<size_t>(std::ssize(parts) * weights));
  parallel(std::ssize(parts), [&](int64_t task) {
    PartBackward(args, ops).OfSums(parts[static_cast<size_t>(task)], out_gradient, of_sums.data(),
                                   of_weight.data() + task * weights);
  });
  parallel(std::ssize(parts), [&](int64_t task) {
    OfRows(args, parts[static_cast<size_t>(task)], of_sums.data(), gradients.x);
  });
  for (const AttentionSegment& segment : args.segments) {
    if (segment.prefix_length > 0) OfPrefix(args, segment, of_sums.data(), gradients.x);
  }
  std::fill_n(gradients.weight, weights, 0.0f);
  for (int64_t part = 0; part < std::ssize(parts); ++part) {
    ops.add(of_weight.data() + part * weights, weights, gradients.weight);
  }
}

}  // namespace cohort::kernels
