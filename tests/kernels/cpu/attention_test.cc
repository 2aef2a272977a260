#include "kernels/cpu/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "kernels/reference.h"

namespace cohort::kernels {
namespace {

// One sequence of `length` tokens in blocks of a cache, in a scrambled block order.
struct PagedSequence {
  KvLayout layout;
  std::vector<float> cache;
  std::vector<int32_t> blocks;
  std::vector<float> k, v;  // [length, kv_heads * key_dim], [length, kv_heads * value_dim]

  PagedSequence(const KvLayout& shape, int64_t length) : layout(shape) {
    std::mt19937 generator(9);
    std::normal_distribution<float> normal;
    const int64_t key_width = layout.kv_heads * layout.key_dim;
    const int64_t value_width = layout.kv_heads * layout.value_dim;
    const int64_t count = (length + kBlockTokens - 1) / kBlockTokens;
    // Cache entries beyond the sequence must not matter.
    cache.assign(static_cast<size_t>(count * layout.block_floats()), NAN);
    for (int64_t i = 0; i < count; ++i) blocks.push_back(static_cast<int32_t>(count - 1 - i));
    k.resize(static_cast<size_t>(length * key_width));
    v.resize(static_cast<size_t>(length * value_width));
    for (float& value : k) value = normal(generator);
    for (float& value : v) value = normal(generator);
    for (int64_t t = 0; t < length; ++t) {
      float* block =
          cache.data() + blocks[static_cast<size_t>(t / kBlockTokens)] * layout.block_floats();
      WriteKv(layout, block, t % kBlockTokens, k.data() + t * key_width,
              layout.values_in_keys ? nullptr : v.data() + t * value_width);
    }
  }

  // The first `dim` of the `stride` numbers that a token has for this KV head.
  std::vector<float> Head(const std::vector<float>& from, int64_t head, int64_t length,
                          int64_t stride, int64_t dim) const {
    std::vector<float> out;
    for (int64_t t = 0; t < length; ++t) {
      const float* row = from.data() + (t * layout.kv_heads + head) * stride;
      out.insert(out.end(), row, row + dim);
    }
    return out;
  }

  std::vector<float> Expected(const float* q, int64_t head, int64_t length,
                              const ReferenceScores& scores) const {
    const int64_t dim = layout.key_dim, value_dim = layout.value_dim;
    const std::vector<float> query(q, q + dim), keys = Head(k, head, length, dim, dim);
    if (layout.values_in_keys) {
      return ReferenceAttention(ReferenceLaneProduct(query, keys, 1, length, dim), scores,
                                Head(k, head, length, dim, value_dim));
    }
    return ReferenceAttention(ReferenceProduct(query, keys, 1, length, dim), scores,
                              Head(v, head, length, value_dim, value_dim));
  }
};

struct Case {
  int64_t heads;
  KvLayout layout;
};
class AttentionShapes : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, AttentionShapes,
                         testing::Values(Case{4, {4, 8, 8}}, Case{9, {3, 64, 64}},
                                         Case{4, {1, 20, 20}}, Case{4, {2, 12, 20}},
                                         Case{5, {1, 28, 20, true}}, Case{20, {1, 64, 48, true}},
                                         Case{4, {2, 20, 16, true}}));

// Queries of one sequence, each of which sees the first `lengths[i]` tokens.
struct Queries {
  const PagedSequence& sequence;
  int64_t heads, stride;
  std::vector<int64_t> lengths;
  int64_t window;
  std::vector<float> q;
  float soft_cap = 0;
  std::vector<float> sinks;  // empty: none

  static constexpr float kScale = 0.3f;

  Queries(const PagedSequence& from, int64_t num_heads, std::vector<int64_t> seen,
          int64_t the_window = 0)
      : sequence(from),
        heads(num_heads),
        stride(from.layout.key_dim + 3),
        lengths(std::move(seen)),
        window(the_window),
        q(lengths.size() * static_cast<size_t>(heads * stride)) {
    std::mt19937 generator(4);
    std::normal_distribution<float> normal;
    for (float& value : q) value = normal(generator);
  }

  std::vector<float> Run(const std::vector<AttentionBundle>& bundles, Isa isa, int threads) const {
    std::vector<AttentionRow> rows;
    for (const int64_t length : lengths) rows.push_back({sequence.blocks.data(), length});
    const int64_t ldo = heads * sequence.layout.value_dim;
    std::vector<float> out(lengths.size() * static_cast<size_t>(ldo));
    ThreadPool pool(threads);
    AttentionScratch scratch;
    Attention(pool, OpsFor(isa),
              {.layout = sequence.layout,
               .cache = sequence.cache.data(),
               .block_stride = sequence.layout.block_floats(),
               .num_heads = heads,
               .scale = kScale,
               .soft_cap = soft_cap,
               .sinks = sinks.empty() ? nullptr : sinks.data(),
               .window = window,
               .q = q.data(),
               .ldq = heads * stride,
               .q_stride = stride,
               .out = out.data(),
               .ldo = ldo,
               .rows = &rows,
               .bundles = &bundles},
              scratch);
    return out;
  }

  std::vector<float> Expected() const {
    std::vector<float> expected;
    const int64_t group = heads / sequence.layout.kv_heads;
    for (int64_t row = 0; row < std::ssize(lengths); ++row) {
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t length = lengths[static_cast<size_t>(row)];
        ReferenceScores scores{.scale = kScale, .soft_cap = soft_cap};
        if (window > 0) scores.first = std::max<int64_t>(0, length - window);
        if (!sinks.empty()) scores.sink = sinks[static_cast<size_t>(head)];
        const std::vector<float> out = sequence.Expected(q.data() + (row * heads + head) * stride,
                                                         head / group, length, scores);
        expected.insert(expected.end(), out.begin(), out.end());
      }
    }
    return expected;
  }

  std::vector<AttentionBundle> OneByOne() const {
    std::vector<AttentionBundle> bundles;
    for (int64_t row = 0; row < std::ssize(lengths); ++row) bundles.push_back({row, 1, 0});
    return bundles;
  }
};

TEST_P(AttentionShapes, PrefillDecodeAndReferenceAgreeBitForBit) {
  const auto [heads, layout] = GetParam();
  const PagedSequence sequence(layout, 77);
  std::vector<int64_t> lengths;
  for (int64_t t = 1; t <= 77; ++t) lengths.push_back(t);
  const Queries queries(sequence, heads, lengths);
  const std::vector<float> expected = queries.Expected();
  for (const Isa isa : AvailableIsas()) {
    for (const int threads : {1, 2, 7}) {  // more threads than bundles split the heads
      EXPECT_EQ(queries.Run(queries.OneByOne(), isa, threads), expected) << IsaName(isa);
      EXPECT_EQ(queries.Run({{0, 40, 2}, {40, 37, 3}}, isa, threads), expected) << IsaName(isa);
      EXPECT_EQ(queries.Run({{0, 64, 0}, {64, 13, 2}}, isa, threads), expected) << IsaName(isa);
      EXPECT_EQ(queries.Run({{0, 77, 3}}, isa, threads), expected) << IsaName(isa);
    }
  }
}

// Windows within a block, of several blocks and of several chains; rows whose windows begin in
// different chains.
TEST_P(AttentionShapes, OfAWindowAgreesBitForBitHoweverRowsAreBundled) {
  const auto [heads, layout] = GetParam();
  const PagedSequence sequence(layout, 700);
  for (const int64_t window : {1, 20, 33, 256, 300}) {
    const Queries queries(sequence, heads, {700, 1, 255, 257, 288, 513, 699, 700}, window);
    const std::vector<float> expected = queries.Expected();
    for (const Isa isa : AvailableIsas()) {
      EXPECT_EQ(queries.Run(queries.OneByOne(), isa, 2), expected) << IsaName(isa) << window;
      for (const int64_t shared : {0, 3, 8, 16, 22}) {
        EXPECT_EQ(queries.Run({{0, 8, shared}}, isa, 1), expected) << IsaName(isa) << window;
        EXPECT_EQ(queries.Run({{0, 5, 0}, {5, 3, shared}}, isa, 2), expected) << IsaName(isa);
      }
    }
  }
}

// What was in such a block may be another sequence's by then.
TEST_P(AttentionShapes, ReadsNoBlockThatLiesBeforeTheWindowsOfABundlesRows) {
  const auto [heads, layout] = GetParam();
  for (const int64_t window : {1, 20, 33, 256, 300}) {
    PagedSequence sequence(layout, 700);
    for (int64_t block = 0; block < (650 - window) / kBlockTokens; ++block) {
      const auto at = sequence.cache.begin() +
                      sequence.blocks[static_cast<size_t>(block)] * layout.block_floats();
      std::fill(at, at + layout.block_floats(), NAN);
    }
    const Queries queries(sequence, heads, {700, 650, 651, 672, 673, 700}, window);
    const std::vector<float> expected = queries.Expected();
    for (const Isa isa : AvailableIsas()) {
      EXPECT_EQ(queries.Run(queries.OneByOne(), isa, 2), expected) << IsaName(isa) << window;
      for (const int64_t shared : {0, 20, 21}) {
        EXPECT_EQ(queries.Run({{0, 6, shared}}, isa, 1), expected) << IsaName(isa) << window;
      }
    }
  }
}

// Contexts that end before, at and after the ends of chains of 256 positions; what rows share ends
// within a chain, between two, or nowhere.
TEST_P(AttentionShapes, LongContextsAgreeBitForBitHoweverTheyAreBundled) {
  const auto [heads, layout] = GetParam();
  const PagedSequence sequence(layout, 700);
  const Queries queries(sequence, heads, {700, 1, 255, 256, 257, 288, 512, 513, 700});
  const std::vector<float> expected = queries.Expected();
  for (const Isa isa : AvailableIsas()) {
    EXPECT_EQ(queries.Run(queries.OneByOne(), isa, 2), expected) << IsaName(isa);
    for (const int64_t shared : {0, 3, 8, 9, 16, 22}) {
      EXPECT_EQ(queries.Run({{0, 9, shared}}, isa, 1), expected) << IsaName(isa) << " " << shared;
      EXPECT_EQ(queries.Run({{0, 4, shared}, {4, 5, shared}}, isa, 2), expected) << IsaName(isa);
    }
  }
}

// With and without a window; sinks below, among and far above the scores.
TEST_P(AttentionShapes, WithSinksAndASoftCapAgreesBitForBitHoweverRowsAreBundled) {
  const auto [heads, layout] = GetParam();
  const PagedSequence sequence(layout, 300);
  for (const int64_t window : {0, 20, 260}) {
    for (const float soft_cap : {0.0f, 1.5f}) {
      for (const bool with_sinks : {false, true}) {
        Queries queries(sequence, heads, {300, 1, 2, 31, 255, 257, 300}, window);
        queries.soft_cap = soft_cap;
        for (int64_t h = 0; with_sinks && h < heads; ++h) {
          queries.sinks.push_back(static_cast<float>(h % 4) * 5 - 4);
        }
        const std::vector<float> expected = queries.Expected();
        for (const Isa isa : AvailableIsas()) {
          SCOPED_TRACE(testing::Message() << IsaName(isa) << ", window " << window << ", cap "
                                          << soft_cap << ", sinks " << with_sinks);
          EXPECT_EQ(queries.Run(queries.OneByOne(), isa, 1), expected);
          EXPECT_EQ(queries.Run({{0, 7, 0}}, isa, 3), expected);
          EXPECT_EQ(queries.Run({{0, 4, 0}, {4, 3, 7}}, isa, 2), expected);
        }
      }
    }
  }
}

TEST(Attention, StoresATokenOnceWhereValuesAreInTheKeys) {
  const KvLayout latent{.kv_heads = 1, .key_dim = 576, .value_dim = 512, .values_in_keys = true};
  EXPECT_EQ(latent.block_floats(), kBlockTokens * 576);
  const KvLayout apart{.kv_heads = 2, .key_dim = 24, .value_dim = 20};
  EXPECT_EQ(apart.block_floats(), kBlockTokens * 2 * (24 + 32));
}

// Without sink and cap, with each, and with both; the sink is the largest logit, or a small one.
class FormulaInFp64 : public testing::TestWithParam<ReferenceScores> {};
INSTANTIATE_TEST_SUITE_P(
    Scores, FormulaInFp64,
    testing::Values(ReferenceScores{.scale = 0.25f}, ReferenceScores{.scale = 0.25f, .sink = 4.5f},
                    ReferenceScores{.scale = 0.25f, .sink = -1.0f},
                    ReferenceScores{.scale = 0.25f, .soft_cap = 0.7f},
                    ReferenceScores{.scale = 0.25f, .first = 33, .soft_cap = 2.0f, .sink = 0.5f}));

TEST_P(FormulaInFp64, IsWhatTheReferenceComputes) {
  const ReferenceScores& how = GetParam();
  const auto scale = static_cast<double>(how.scale), cap = static_cast<double>(how.soft_cap);
  std::mt19937 generator(4);
  std::normal_distribution<float> normal;
  const int64_t length = 50, head_dim = 16;
  std::vector<float> q(16), k(static_cast<size_t>(length * head_dim)), v(k.size());
  for (std::vector<float>* values : {&q, &k, &v}) {
    for (float& value : *values) value = normal(generator);
  }
  const std::vector<float> out =
      ReferenceAttention(ReferenceProduct(q, k, 1, length, head_dim), how, v);
  std::vector<double> weighted(16);
  double sum = std::exp(static_cast<double>(how.sink));
  for (auto t = static_cast<size_t>(how.first); t < 50; ++t) {
    double score = 0;
    for (size_t d = 0; d < 16; ++d) score += static_cast<double>(q[d]) * k[t * 16 + d];
    const double e = std::exp(cap > 0 ? cap * std::tanh(scale * score / cap) : scale * score);
    sum += e;
    for (size_t d = 0; d < 16; ++d) weighted[d] += e * v[t * 16 + d];
  }
  for (size_t d = 0; d < 16; ++d) EXPECT_NEAR(out[d], weighted[d] / sum, 2e-6);
}

TEST(Attention, RefusesARowThatSeesNothing) {
  const PagedSequence sequence({1, 8, 8}, 1);
  const std::vector<AttentionRow> rows = {{sequence.blocks.data(), 0}};
  const std::vector<AttentionBundle> bundles = {{0, 1, 0}};
  ThreadPool pool(1);
  AttentionScratch scratch;
  AttentionArgs args{.layout = sequence.layout, .num_heads = 1, .rows = &rows, .bundles = &bundles};
  EXPECT_THROW(Attention(pool, BestOps(), args, scratch), std::invalid_argument);
}

}  // namespace
}  // namespace cohort::kernels
