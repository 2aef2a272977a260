#include "kernels/cpu/segment_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/reference.h"
#include "tests/kernels/cpu/parallel_orders.h"

namespace cohort::kernels {
namespace {

// out, dq, dk, dv, and the sinks' gradient where there are sinks, one after the other.
using Results = std::vector<std::vector<double>>;

struct Shape {
  int64_t heads, kv_heads, qk_dim, v_dim;
};

// What an attention has beside products and softmax.
struct Kind {
  int64_t window = 0;
  float soft_cap = 0;
  bool sinks = false;
};

struct Case {
  Case(const Shape& s, std::vector<AttentionSegment> the_segments, const Kind& kind = {})
      : shape(s), segments(std::move(the_segments)) {
    for (const AttentionSegment& segment : segments) rows += segment.length;
    q = RandomNormal(rows * s.heads * s.qk_dim, 1);
    k = RandomNormal(rows * s.kv_heads * s.qk_dim, 2);
    v = RandomNormal(rows * s.kv_heads * s.v_dim, 3);
    d_out = RandomNormal(rows * s.heads * s.v_dim, 4);
    for (int64_t head = 0; kind.sinks && head < s.heads; ++head) {
      sinks.push_back(static_cast<float>(head) * 2 - 1);
    }
    args = {.segments = segments,
            .heads = s.heads,
            .kv_heads = s.kv_heads,
            .qk_dim = s.qk_dim,
            .v_dim = s.v_dim,
            .scale = 0.3f,
            .soft_cap = kind.soft_cap,
            .window = kind.window,
            .q = q.data(),
            .k = k.data(),
            .v = v.data(),
            .sinks = kind.sinks ? sinks.data() : nullptr};
  }

  Results Run(const Ops& ops, const ParallelTasks& parallel) const {
    std::vector<float> out(d_out.size()), dq(q.size()), dk(k.size()), dv(v.size());
    AttendSegments(args, out.data(), ops, parallel);
    std::vector<float> d_sinks(sinks.size());
    SegmentAttentionGradients gradients{dq.data(), dk.data(), dv.data()};
    if (!sinks.empty()) gradients.sinks = d_sinks.data();
    AttendSegmentsBackward(args, d_out.data(), gradients, ops, parallel);
    Results results;
    for (const auto* values : {&out, &dq, &dk, &dv, &d_sinks}) {
      results.emplace_back(values->begin(), values->end());
    }
    return results;
  }

  // The formulas over all pairs of rows, in fp64.
  Results Expected() const {
    Results r = {std::vector<double>(d_out.size()), std::vector<double>(q.size()),
                 std::vector<double>(k.size()), std::vector<double>(v.size()),
                 std::vector<double>(sinks.size())};
    for (const AttentionSegment& segment : segments) {
      for (int64_t i = 0; i < segment.length; ++i) {
        std::vector<int64_t> seen;
        for (int64_t j = 0; j < segment.prefix_length; ++j) {
          seen.push_back(segment.prefix_first + j);
        }
        for (int64_t j = 0; j <= i; ++j) seen.push_back(segment.first + j);
        const auto all = static_cast<int64_t>(seen.size());
        if (args.window > 0 && all > args.window) {
          seen.erase(seen.begin(), seen.begin() + (all - args.window));
        }
        for (int64_t head = 0; head < shape.heads; ++head) {
          AddRow(segment.first + i, head, seen, &r);
        }
      }
    }
    return r;
  }

  void AddRow(int64_t row, int64_t head, const std::vector<int64_t>& seen, Results* r) const {
    const int64_t kv = head / (shape.heads / shape.kv_heads);
    const auto at_q = [&](int64_t d) { return (row * shape.heads + head) * shape.qk_dim + d; };
    const auto at_o = [&](int64_t d) { return (row * shape.heads + head) * shape.v_dim + d; };
    const auto at_k = [&](int64_t j, int64_t d) {
      return (j * shape.kv_heads + kv) * shape.qk_dim + d;
    };
    const auto at_v = [&](int64_t j, int64_t d) {
      return (j * shape.kv_heads + kv) * shape.v_dim + d;
    };
    const auto value = [](const std::vector<float>& x, int64_t i) {
      return static_cast<double>(x[static_cast<size_t>(i)]);
    };
    const auto add = [](std::vector<double>& x, int64_t i, double amount) {
      x[static_cast<size_t>(i)] += amount;
    };
    std::vector<double> p, dp, slopes;
    const double cap = static_cast<double>(args.soft_cap);
    const double sink = sinks.empty() ? 0 : std::exp(value(sinks, head));
    double sum = sink, mean = 0;
    for (const int64_t j : seen) {
      double score = 0, gradient = 0;
      for (int64_t d = 0; d < shape.qk_dim; ++d) score += value(q, at_q(d)) * value(k, at_k(j, d));
      for (int64_t d = 0; d < shape.v_dim; ++d) {
        gradient += value(d_out, at_o(d)) * value(v, at_v(j, d));
      }
      score *= static_cast<double>(args.scale);
      const double tanh = cap > 0 ? std::tanh(score / cap) : 0;
      slopes.push_back((1 - tanh * tanh) * static_cast<double>(args.scale));
      p.push_back(std::exp(cap > 0 ? cap * tanh : score));
      sum += p.back();
      dp.push_back(gradient);
    }
    for (size_t j = 0; j < seen.size(); ++j) mean += (p[j] /= sum) * dp[j];
    if (!sinks.empty()) add((*r)[4], head, -sink / sum * mean);
    for (size_t j = 0; j < seen.size(); ++j) {
      const double ds = p[j] * (dp[j] - mean) * slopes[j];
      for (int64_t d = 0; d < shape.v_dim; ++d) {
        add((*r)[0], at_o(d), p[j] * value(v, at_v(seen[j], d)));
        add((*r)[3], at_v(seen[j], d), p[j] * value(d_out, at_o(d)));
      }
      for (int64_t d = 0; d < shape.qk_dim; ++d) {
        add((*r)[1], at_q(d), ds * value(k, at_k(seen[j], d)));
        add((*r)[2], at_k(seen[j], d), ds * value(q, at_q(d)));
      }
    }
  }

  Shape shape;
  std::vector<AttentionSegment> segments;
  int64_t rows = 0;
  std::vector<float> q, k, v, d_out, sinks;
  SegmentAttentionArgs args;
};

const std::vector<Shape>& Shapes() {
  static const std::vector<Shape> shapes = {{4, 2, 16, 16}, {3, 3, 24, 8}, {2, 1, 7, 33}};
  return shapes;
}

// A prompt of 21 with completions of 60, 0 and 1; a sequence alone; a prompt of 1.
std::vector<AttentionSegment> Segments() {
  return {{0, 21},   {21, 60, 0, 21}, {81, 0, 0, 21},  {81, 1, 0, 21},
          {82, 100}, {182, 1},        {183, 5, 182, 1}};
}

TEST(SegmentAttention, EqualsTheFormulasAndTheirGradients) {
  for (const Shape& shape : Shapes()) {
    const Case c(shape, Segments());
    const Results got = c.Run(BestOps(), OneByOne), expected = c.Expected();
    for (size_t r = 0; r < got.size(); ++r) {
      ASSERT_EQ(got[r].size(), expected[r].size());
      for (size_t i = 0; i < got[r].size(); ++i) {
        ASSERT_NEAR(got[r][i], expected[r][i], 2e-5) << "result " << r << " element " << i;
      }
    }
  }
}

// Windows of one key, within a block of rows, of several, and beyond every segment.
TEST(SegmentAttention, OfAWindowEqualsTheFormulasAndTheirGradients) {
  for (const int64_t window : {1, 2, 17, 64, 300}) {
    for (const Shape& shape : Shapes()) {
      const Case c(shape, Segments(), {.window = window});
      const Results got = c.Run(BestOps(), OneByOne), expected = c.Expected();
      for (size_t r = 0; r < got.size(); ++r) {
        for (size_t i = 0; i < got[r].size(); ++i) {
          ASSERT_NEAR(got[r][i], expected[r][i], 2e-5)
              << "window " << window << " result " << r << " element " << i;
        }
      }
    }
  }
}

class AttentionKinds : public testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, AttentionKinds,
                         testing::Values(Kind{.soft_cap = 0.8f}, Kind{.soft_cap = 30.0f},
                                         Kind{.sinks = true}, Kind{.window = 17, .sinks = true},
                                         Kind{.window = 1, .soft_cap = 1.5f, .sinks = true},
                                         Kind{.soft_cap = 1.5f, .sinks = true}));

TEST_P(AttentionKinds, EqualTheFormulasAndTheirGradientsWithTheScalarBits) {
  for (const Shape& shape : Shapes()) {
    const Case c(shape, Segments(), GetParam());
    const Results scalar = c.Run(OpsFor(Isa::kScalar), OneByOne), expected = c.Expected();
    for (size_t r = 0; r < scalar.size(); ++r) {
      ASSERT_EQ(scalar[r].size(), expected[r].size());
      for (size_t i = 0; i < scalar[r].size(); ++i) {
        ASSERT_NEAR(scalar[r][i], expected[r][i], 2e-5) << "result " << r << " element " << i;
      }
    }
    for (const Isa isa : AvailableIsas()) {
      EXPECT_EQ(c.Run(OpsFor(isa), OnTwoThreadsBackwards), scalar) << IsaName(isa);
    }
  }
}

TEST(SegmentAttention, SinksWithoutWeightChangeNoBit) {
  const Shape shape = Shapes()[0];
  Case with(shape, Segments(), {.sinks = true}), without(shape, Segments());
  std::fill(with.sinks.begin(), with.sinks.end(), -200.0f);
  const Results a = with.Run(BestOps(), OneByOne), b = without.Run(BestOps(), OneByOne);
  for (size_t r = 0; r < 4; ++r) EXPECT_EQ(a[r], b[r]) << r;
  EXPECT_EQ(a[4], std::vector<double>(4, 0.0));
}

TEST(SegmentAttention, GivesTheSameBitsOnAnyThreadsAndInstructionSet) {
  for (const Shape& shape : Shapes()) {
    const Case c(shape, Segments());
    const Results expected = c.Run(OpsFor(Isa::kScalar), OneByOne);
    for (const Isa isa : AvailableIsas()) {
      EXPECT_EQ(c.Run(OpsFor(isa), OnTwoThreadsBackwards), expected) << IsaName(isa);
    }
  }
}

TEST(SegmentAttention, ASharedPromptGivesTheBitsOfACopyForEachCompletion) {
  const Shape shape = Shapes()[0];
  const Kind kind{.soft_cap = 2.0f, .sinks = true};
  for (const int64_t prompt : {30, 255, 256, 300}) {
    const int64_t rows = prompt + 290;
    const std::vector<AttentionSegment> parts = {{0, prompt}, {prompt, 290, 0, prompt}};
    const Case with(shape, parts, kind), one(shape, {{0, rows}}, kind);
    EXPECT_EQ(with.Run(BestOps(), OneByOne)[0], one.Run(BestOps(), OneByOne)[0]);
    Case shared(shape, parts), whole(shape, {{0, rows}});
    const Results a = shared.Run(BestOps(), OneByOne), b = whole.Run(BestOps(), OneByOne);
    EXPECT_EQ(a[0], b[0]) << "out";
    EXPECT_EQ(a[1], b[1]) << "the queries' gradient";
  }
}

// A prompt of 300 with completions of 290 and 3: sums of more than one chain.
std::vector<AttentionSegment> LongSegments() {
  return {{0, 300}, {300, 290, 0, 300}, {590, 3, 0, 300}};
}

// A window of 40 leaves out whole chains of keys.
TEST(SegmentAttention, OfLongSegmentsEqualsTheFormulasAndTheScalarBits) {
  for (const int64_t window : {0, 40, 290}) {
    const Case c({2, 1, 7, 20}, LongSegments(), {.window = window});
    const Results scalar = c.Run(OpsFor(Isa::kScalar), OneByOne), expected = c.Expected();
    for (size_t r = 0; r < scalar.size(); ++r) {
      for (size_t i = 0; i < scalar[r].size(); ++i) {
        ASSERT_NEAR(scalar[r][i], expected[r][i], 2e-5)
            << "window " << window << " result " << r << " element " << i;
      }
    }
    for (const Isa isa : AvailableIsas()) {
      EXPECT_EQ(c.Run(OpsFor(isa), OnTwoThreadsBackwards), scalar) << IsaName(isa);
    }
  }
}

// The decoder's attention equals the same reference (attention_test.cc).
class LongSegmentAttention : public testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, LongSegmentAttention,
                         testing::Values(Kind{}, Kind{.window = 40}, Kind{.window = 290},
                                         Kind{.soft_cap = 1.2f}, Kind{.sinks = true},
                                         Kind{.window = 40, .soft_cap = 2.0f, .sinks = true}));

TEST_P(LongSegmentAttention, HasTheBitsOfTheReference) {
  const Shape shape{2, 1, 7, 20};
  const Kind kind = GetParam();
  const int64_t window = kind.window;
  const Case c(shape, LongSegments(), kind);
  const std::vector<double> out = c.Run(BestOps(), OneByOne)[0];
  for (const AttentionSegment& segment : c.segments) {
    for (int64_t i = 0; i < segment.length; ++i) {
      std::vector<float> keys, values;
      const auto see = [&](int64_t row) {
        keys.insert(keys.end(), c.k.data() + row * 7, c.k.data() + row * 7 + 7);
        values.insert(values.end(), c.v.data() + row * 20, c.v.data() + row * 20 + 20);
      };
      for (int64_t j = 0; j < segment.prefix_length; ++j) see(segment.prefix_first + j);
      for (int64_t j = 0; j <= i; ++j) see(segment.first + j);
      for (int64_t head = 0; head < 2; ++head) {
        const int64_t at = (segment.first + i) * 2 + head;
        const std::vector<float> q(c.q.data() + at * 7, c.q.data() + at * 7 + 7);
        const std::vector<float> scores =
            ReferenceProduct(q, keys, 1, segment.prefix_length + i + 1, 7);
        const auto seen = static_cast<int64_t>(scores.size());
        ReferenceScores how{.scale = c.args.scale, .soft_cap = kind.soft_cap};
        if (window > 0) how.first = std::max<int64_t>(0, seen - window);
        if (kind.sinks) how.sink = c.sinks[static_cast<size_t>(head)];
        const std::vector<float> expected = ReferenceAttention(scores, how, values);
        ASSERT_EQ(std::vector<float>(out.data() + at * 20, out.data() + at * 20 + 20), expected)
            << "row " << segment.first + i << " head " << head;
      }
    }
  }
}

}  // namespace
}  // namespace cohort::kernels
