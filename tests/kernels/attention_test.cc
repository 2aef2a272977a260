#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/reference.h"

namespace cohort::kernels {
namespace {

// One sequence of `length` tokens in blocks of a cache, in a scrambled block order.
struct PagedSequence {
  KvLayout layout;
  std::vector<float> cache;
  std::vector<int32_t> blocks;
  std::vector<float> k, v;  // [length, kv_heads * head_dim]

  PagedSequence(const KvLayout& shape, int64_t length) : layout(shape) {
    std::mt19937 generator(9);
    std::normal_distribution<float> normal;
    const int64_t width = layout.kv_heads * layout.head_dim;
    const int64_t count = (length + kBlockTokens - 1) / kBlockTokens;
    // What lies beyond the sequence must not matter.
    cache.assign(static_cast<size_t>(count * layout.block_floats()), NAN);
    for (int64_t i = 0; i < count; ++i) blocks.push_back(static_cast<int32_t>(count - 1 - i));
    k.resize(static_cast<size_t>(length * width));
    v.resize(k.size());
    for (float& value : k) value = normal(generator);
    for (float& value : v) value = normal(generator);
    for (int64_t t = 0; t < length; ++t) {
      float* block =
          cache.data() + blocks[static_cast<size_t>(t / kBlockTokens)] * layout.block_floats();
      WriteKv(layout, block, t % kBlockTokens, k.data() + t * width, v.data() + t * width);
    }
  }

  std::vector<float> Head(const std::vector<float>& from, int64_t head, int64_t length) const {
    std::vector<float> out;
    for (int64_t t = 0; t < length; ++t) {
      const float* row = from.data() + (t * layout.kv_heads + head) * layout.head_dim;
      out.insert(out.end(), row, row + layout.head_dim);
    }
    return out;
  }
};

struct Case {
  int64_t heads, kv_heads, head_dim;
};
class AttentionShapes : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, AttentionShapes,
                         testing::Values(Case{4, 4, 8}, Case{9, 3, 64}, Case{4, 1, 20}));

TEST_P(AttentionShapes, PrefillDecodeAndReferenceAgreeBitForBit) {
  const auto [heads, kv_heads, head_dim] = GetParam();
  const int64_t length = 77;
  const PagedSequence sequence({kv_heads, head_dim}, length);
  std::mt19937 generator(4);
  std::normal_distribution<float> normal;
  std::vector<float> q(static_cast<size_t>(length * heads * head_dim));
  for (float& value : q) value = normal(generator);
  std::vector<AttentionRow> rows;
  for (int64_t t = 0; t < length; ++t) rows.push_back({sequence.blocks.data(), t + 1});

  const auto run = [&](const std::vector<AttentionBundle>& bundles, Isa isa, int threads) {
    std::vector<float> out(q.size());
    ThreadPool pool(threads);
    AttentionScratch scratch;
    Attention(pool, OpsFor(isa),
              {.layout = sequence.layout,
               .cache = sequence.cache.data(),
               .block_stride = sequence.layout.block_floats(),
               .num_heads = heads,
               .q = q.data(),
               .ldq = heads * head_dim,
               .out = out.data(),
               .ldo = heads * head_dim,
               .rows = &rows,
               .bundles = &bundles},
              scratch);
    return out;
  };
  std::vector<AttentionBundle> one_by_one, prefill = {{0, 40, 2}, {40, 37, 3}},
                                           half_shared = {{0, 64, 0}, {64, 13, 2}};
  for (int64_t t = 0; t < length; ++t) one_by_one.push_back({t, 1, 0});

  std::vector<float> expected;
  const int64_t group = heads / kv_heads;
  for (int64_t t = 0; t < length; ++t) {
    for (int64_t head = 0; head < heads; ++head) {
      const float* from = q.data() + (t * heads + head) * head_dim;
      const std::vector<float> out = ReferenceAttention(
          {from, from + head_dim}, sequence.Head(sequence.k, head / group, t + 1),
          sequence.Head(sequence.v, head / group, t + 1), t + 1);
      expected.insert(expected.end(), out.begin(), out.end());
    }
  }
  for (const Isa isa : AvailableIsas()) {
    for (const int threads : {1, 2}) {
      EXPECT_EQ(run(one_by_one, isa, threads), expected) << IsaName(isa);
      EXPECT_EQ(run(prefill, isa, threads), expected) << IsaName(isa);
      EXPECT_EQ(run(half_shared, isa, threads), expected) << IsaName(isa);
    }
  }
}

TEST(Attention, ReferenceAgreesWithSoftmaxInFp64) {
  std::mt19937 generator(4);
  std::normal_distribution<float> normal;
  const int64_t length = 50, head_dim = 16;
  std::vector<float> q(16), k(static_cast<size_t>(length * head_dim)), v(k.size());
  for (std::vector<float>* values : {&q, &k, &v}) {
    for (float& value : *values) value = normal(generator);
  }
  const std::vector<float> out = ReferenceAttention(q, k, v, length);
  std::vector<double> weighted(16);
  double sum = 0;
  for (size_t t = 0; t < 50; ++t) {
    double score = 0;
    for (size_t d = 0; d < 16; ++d) score += static_cast<double>(q[d]) * k[t * 16 + d];
    const double e = std::exp(score / 4);
    sum += e;
    for (size_t d = 0; d < 16; ++d) weighted[d] += e * v[t * 16 + d];
  }
  for (size_t d = 0; d < 16; ++d) EXPECT_NEAR(out[d], weighted[d] / sum, 2e-6);
}

TEST(Attention, RefusesARowThatSeesNothing) {
  const PagedSequence sequence({1, 8}, 1);
  const std::vector<AttentionRow> rows = {{sequence.blocks.data(), 0}};
  const std::vector<AttentionBundle> bundles = {{0, 1, 0}};
  ThreadPool pool(1);
  AttentionScratch scratch;
  AttentionArgs args{.layout = sequence.layout, .num_heads = 1, .rows = &rows, .bundles = &bundles};
  EXPECT_THROW(Attention(pool, BestOps(), args, scratch), std::invalid_argument);
}

}  // namespace
}  // namespace cohort::kernels
