#include "kernels/cpu/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "kernels/reference.h"

namespace cohort::kernels {
namespace {

std::vector<float> Random(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

PackedMatrix Pack(const std::vector<float>& rows, int64_t columns, int64_t depth, Storage storage) {
  PackedMatrix packed(columns, depth, storage);
  for (int64_t panel = 0; panel < packed.panels(); ++panel) {
    const int64_t first = panel * 16;
    packed.PackPanel(panel, rows.data() + first * depth, depth,
                     std::min<int64_t>(16, columns - first), depth);
  }
  return packed;
}

struct Shape {
  int64_t columns, depth;
};

class GemmShapes : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, GemmShapes,
                         testing::Values(Shape{1, 1}, Shape{16, 8}, Shape{37, 33}, Shape{300, 65},
                                         Shape{1024, 96}, Shape{20, 256}, Shape{45, 257},
                                         Shape{33, 700}, Shape{18, 1700}));

TEST_P(GemmShapes, EqualsTheReferenceBitForBitWhateverRowsThreadsAndInstructionSet) {
  const auto [columns, depth] = GetParam();
  const std::vector<float> w = Random(columns * depth, 1);
  const PackedMatrix packed = Pack(w, columns, depth, Storage::kFloat32);
  const int64_t ldc = PadToPanel(columns);
  for (const Isa isa : AvailableIsas()) {
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      for (const int64_t rows : {1, 2, 3, 5, 6, 7, 8, 13, 64, 130}) {
        if (isa == Isa::kScalar && rows > 13) continue;
        const std::vector<float> a = Random(rows * depth, static_cast<uint32_t>(rows));
        const std::vector<float> expected = ReferenceProduct(a, w, rows, columns, depth);
        std::vector<float> c(static_cast<size_t>(rows * ldc), -1.0f);
        Multiply(pool, OpsFor(isa),
                 {.weights = &packed,
                  .a = a.data(),
                  .lda = depth,
                  .rows = rows,
                  .c = c.data(),
                  .ldc = ldc});
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t column = 0; column < columns; ++column) {
            ASSERT_EQ(
                std::bit_cast<uint32_t>(c[static_cast<size_t>(row * ldc + column)]),
                std::bit_cast<uint32_t>(expected[static_cast<size_t>(row * columns + column)]))
                << IsaName(isa) << ", " << threads << " threads, row " << row << " of " << rows
                << ", column " << column;
          }
        }
      }
    }
  }
}

TEST(Gemm, MultipliesWithBf16WeightsExactlyAsWithTheirFp32Values) {
  const int64_t columns = 45, depth = 530, rows = 9;
  std::vector<float> w = Random(columns * depth, 2);
  const PackedMatrix halves = Pack(w, columns, depth, Storage::kBFloat16);
  for (int64_t column = 0; column < columns; ++column)
    halves.ReadColumn(column, w.data() + column * depth);
  const std::vector<float> a = Random(rows * depth, 3);
  const std::vector<float> expected = ReferenceProduct(a, w, rows, columns, depth);
  ThreadPool pool(2);
  for (const Isa isa : AvailableIsas()) {
    std::vector<float> c(static_cast<size_t>(rows * 48));
    Multiply(
        pool, OpsFor(isa),
        {.weights = &halves, .a = a.data(), .lda = depth, .rows = rows, .c = c.data(), .ldc = 48});
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column) {
        ASSERT_EQ(c[static_cast<size_t>(row * 48 + column)],
                  expected[static_cast<size_t>(row * columns + column)]);
      }
    }
  }
}

// As the rows of a do (ops.h): what is too small for a normal number, and what rounds up to one.
TEST(Gemm, PacksWeightsInBf16WithoutDenormals) {
  const std::vector<float> row = {1e-39f,  -1e-39f, 1.17549435e-38f, 1.1754942e-38f,
                                  1.0039f, NAN,     -INFINITY,       3.4e38f};
  const std::vector<float> expected = {0.0f, -0.0f, 1.17549435e-38f, 0.0f,
                                       1.0f, NAN,   -INFINITY,       INFINITY};
  for (const Storage storage : {Storage::kBFloat16, Storage::kBf16Pairs}) {
    const PackedMatrix packed = Pack(row, 1, std::ssize(row), storage);
    std::vector<float> found(row.size());
    packed.ReadColumn(0, found.data());
    for (size_t i = 0; i < row.size(); ++i) {
      if (std::isnan(expected[i])) {
        EXPECT_TRUE(std::isnan(found[i]));
      } else {
        EXPECT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(expected[i])) << i;
      }
    }
  }
}

TEST(Gemm, MultipliesPairsAsTheReferenceDoesForAllRowsDepthsThreadsAndInstructionSets) {
  const int64_t columns = 45;
  for (const int64_t depth : {1, 2, 17, 256, 530, 1025}) {
    const std::vector<float> w = Random(columns * depth, 2);
    const PackedMatrix pairs = Pack(w, columns, depth, Storage::kBf16Pairs);
    for (const int64_t rows : {1, 9, 130}) {
      const std::vector<float> a = Random(rows * depth, 3);
      const std::vector<float> expected = ReferencePairProduct(a, w, rows, columns, depth);
      for (const int threads : {1, 2}) {
        ThreadPool pool(threads);
        for (const Isa isa : AvailableIsas()) {
          std::vector<float> c(static_cast<size_t>(rows * 48)), found;
          Multiply(pool, OpsFor(isa),
                   {.weights = &pairs,
                    .a = a.data(),
                    .lda = depth,
                    .rows = rows,
                    .c = c.data(),
                    .ldc = 48});
          for (int64_t row = 0; row < rows; ++row) {
            found.insert(found.end(), c.begin() + row * 48, c.begin() + row * 48 + columns);
          }
          ASSERT_EQ(found, expected) << IsaName(isa) << ", " << rows << " rows, depth " << depth;
        }
      }
    }
  }
}

TEST(Gemm, PairsGiveBackTheRowsThatWerePacked) {
  const int64_t columns = 21, depth = 7;
  const std::vector<float> w = Random(columns * depth, 4);
  const PackedMatrix pairs = Pack(w, columns, depth, Storage::kBf16Pairs);
  const PackedMatrix halves = Pack(w, columns, depth, Storage::kBFloat16);
  for (int64_t column = 0; column < columns; ++column) {
    std::vector<float> found(depth), expected(depth);
    pairs.ReadColumn(column, found.data());
    halves.ReadColumn(column, expected.data());
    EXPECT_EQ(found, expected) << column;
  }
}

TEST(Gemm, RoundsBf16ToNearestEven) {
  // 1 + 2^-8 lies half way between 1 and 1 + 2^-7: to even, 1. 1 + 3 * 2^-8 likewise: to 1 + 2^-6.
  const std::vector<float> w = {1.00390625f, 1.01171875f, -1.00390625f, 1.004f};
  const PackedMatrix packed = Pack(w, 1, 4, Storage::kBFloat16);
  std::vector<float> out(4);
  packed.ReadColumn(0, out.data());
  EXPECT_EQ(out, (std::vector<float>{1.0f, 1.015625f, -1.0f, 1.0078125f}));
}

std::vector<float> ProductInto(std::vector<float> c, const std::vector<float>& a,
                               const std::vector<float>& w, Isa isa, TileMode mode) {
  const auto depth = static_cast<int64_t>(w.size() / 16), rows = std::ssize(c) / 16;
  const PackedMatrix packed = Pack(w, 16, depth, Storage::kFloat32);
  ThreadPool pool(1);
  Multiply(pool, OpsFor(isa),
           {.weights = &packed,
            .a = a.data(),
            .lda = std::ssize(a) / rows,
            .rows = rows,
            .c = c.data(),
            .ldc = 16,
            .mode = mode});
  return c;
}

TEST(Gemm, AddsTheResidualOnceAtTheEnd) {
  for (const int64_t depth : {20, 257, 700}) {
    const std::vector<float> w = Random(16 * depth, 4), a = Random(3 * depth, 5);
    const std::vector<float> old = Random(3 * 16, 6);
    std::vector<float> expected = ReferenceProduct(a, w, 3, 16, depth);
    for (size_t i = 0; i < expected.size(); ++i) expected[i] = old[i] + expected[i];
    for (const Isa isa : AvailableIsas()) {
      EXPECT_EQ(ProductInto(old, a, w, isa, TileMode::kAdd), expected) << IsaName(isa);
    }
  }
}

// The first `depth` entries of each of 16 columns of w, from `begin` on.
std::vector<float> DepthPart(const std::vector<float>& w, int64_t begin, int64_t depth) {
  std::vector<float> part;
  for (int64_t column = 0; column < 16; ++column) {
    const auto first = w.begin() + column * std::ssize(w) / 16 + begin;
    part.insert(part.end(), first, first + depth);
  }
  return part;
}

TEST(Gemm, GoesOnInTheMiddleOfAChainAndBetweenChains) {
  const int64_t depth = 700;
  const std::vector<float> w = Random(16 * depth, 4), a = Random(depth, 5), zeros(16);
  const std::vector<float> expected = ReferenceProduct(a, w, 1, 16, depth);
  for (const Isa isa : AvailableIsas()) {
    const auto go_on = [&](const std::vector<float>& c, int64_t begin, int64_t end, TileMode mode) {
      return ProductInto(c, {a.begin() + begin, a.begin() + end}, DepthPart(w, begin, end - begin),
                         isa, mode);
    };
    std::vector<float> c = go_on(zeros, 0, 100, TileMode::kStore);
    c = go_on(c, 100, 256, TileMode::kExtend);
    c = go_on(c, 256, 512, TileMode::kContinue);
    EXPECT_EQ(go_on(c, 512, 700, TileMode::kContinue), expected) << IsaName(isa);
  }
}

// Products of positive numbers at the depth of a large vocabulary: one chain of 70,000 roundings is
// off by more than 5e-6 of the sum here, chains of 256 by less than a tenth of that.
TEST(Gemm, OverSeventyThousandTermsIsTenTimesCloserToFp64ThanOneChain) {
  const int64_t depth = 70'000;
  std::mt19937 generator(12);
  std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
  std::vector<float> a(static_cast<size_t>(3 * depth)), w(static_cast<size_t>(16 * depth));
  for (std::vector<float>* values : {&a, &w}) {
    for (float& value : *values) value = uniform(generator);
  }
  const std::vector<float> c =
      ProductInto(std::vector<float>(3 * 16), a, w, BestOps().isa, TileMode::kStore);
  double one_chain_error = 0;
  for (size_t i = 0; i < c.size(); ++i) {
    const float* x = a.data() + static_cast<int64_t>(i) / 16 * depth;
    const float* y = w.data() + static_cast<int64_t>(i) % 16 * depth;
    double exact = 0;
    float one_chain = 0;
    for (int64_t k = 0; k < depth; ++k) {
      exact += static_cast<double>(x[k]) * static_cast<double>(y[k]);
      one_chain = std::fma(x[k], y[k], one_chain);
    }
    EXPECT_NEAR(c[i] / exact, 1.0, 5e-7);
    one_chain_error = std::max(one_chain_error, std::abs(one_chain / exact - 1.0));
  }
  EXPECT_GT(one_chain_error, 5e-6);
}

TEST(Gemm, MultipliesCopiesEachWithItsOwnPartOfARow) {
  const int64_t count = 5, columns = 20, depth = 9, a_stride = 11, c_stride = 35;
  const std::vector<float> w = Random(count * columns * depth, 7);
  PackedMatrix packed(count * 32, depth, Storage::kFloat32);
  for (int64_t copy = 0; copy < count; ++copy) {
    const float* rows = w.data() + copy * columns * depth;
    packed.PackPanel(2 * copy, rows, depth, 16, depth);
    packed.PackPanel(2 * copy + 1, rows + 16 * depth, depth, 4, depth);
  }
  for (const Isa isa : AvailableIsas()) {
    for (const int threads : {1, 3}) {
      ThreadPool pool(threads);
      for (const int64_t rows : {1, 7, 130}) {
        const std::vector<float> a = Random(rows * count * a_stride, 8);
        std::vector<float> c(static_cast<size_t>(rows * count * c_stride), -1.0f);
        MultiplyCopies(pool, OpsFor(isa),
                       {.weights = &packed,
                        .a = a.data(),
                        .lda = count * a_stride,
                        .rows = rows,
                        .c = c.data(),
                        .ldc = count * c_stride},
                       {.count = count, .a_stride = a_stride, .c_stride = c_stride});
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t copy = 0; copy < count; ++copy) {
            const float* x = a.data() + (row * count + copy) * a_stride;
            const float* matrix = w.data() + copy * columns * depth;
            std::vector<float> expected = ReferenceProduct(
                {x, x + depth}, {matrix, matrix + columns * depth}, 1, columns, depth);
            expected.resize(32, 0.0f);                              // the panels' padding
            expected.resize(static_cast<size_t>(c_stride), -1.0f);  // and nothing beyond
            const float* found = c.data() + (row * count + copy) * c_stride;
            ASSERT_EQ(std::vector<float>(found, found + c_stride), expected)
                << IsaName(isa) << ", row " << row << " of " << rows << ", copy " << copy;
          }
        }
      }
    }
  }
}

// The bias comes after the sum, and after the residual; then the unit of gates and ups.
TEST(Gemm, AddsABiasAndAppliesTheUnitWhateverRowsThreadsAndInstructionSet) {
  constexpr int64_t kFfn = 40, kColumns = 96, kDepth = 300, kMostRows = 130;
  const std::vector<float> w = Random(kColumns * kDepth, 4), bias = Random(kColumns, 5),
                           a = Random(kMostRows * kDepth, 6), old = Random(kMostRows * kColumns, 7);
  const PackedMatrix packed = Pack(w, kColumns, kDepth, Storage::kFloat32);
  std::vector<float> expected = ReferenceProduct(a, w, kMostRows, kColumns, kDepth);
  for (size_t i = 0; i < expected.size(); ++i) {
    expected[i] = old[i] + expected[i] + bias[i % static_cast<size_t>(kColumns)];
  }
  for (const GatedUnit unit : {GatedUnit::kSwiGlu, GatedUnit::kGeGlu, GatedUnit::kClampedSwiGlu}) {
    for (const Isa isa : AvailableIsas()) {
      for (const int threads : {1, 3}) {
        ThreadPool pool(threads);
        for (const int64_t rows : {int64_t{1}, int64_t{7}, kMostRows}) {
          std::vector<float> c(old.begin(), old.begin() + rows * kColumns);
          std::vector<float> out(static_cast<size_t>(rows * kColumns / 2));
          Multiply(pool, OpsFor(isa),
                   {.weights = &packed,
                    .a = a.data(),
                    .lda = kDepth,
                    .rows = rows,
                    .c = c.data(),
                    .ldc = kColumns,
                    .mode = TileMode::kAdd,
                    .bias = bias.data(),
                    .gated_out = out.data(),
                    .ld_gated = kColumns / 2,
                    .unit = unit});
          ASSERT_EQ(c, std::vector<float>(expected.begin(), expected.begin() + rows * kColumns));
          for (int64_t i = 0; i < rows * kFfn; ++i) {
            const int64_t row = i / kFfn, at = i % kFfn;
            const float* gate =
                &expected[static_cast<size_t>(row * kColumns + at / 16 * 32 + at % 16)];
            float value = 0;
            OpsFor(Isa::kScalar).gated_unit({unit, gate, gate + 16, 1}, &value);
            ASSERT_EQ(out[static_cast<size_t>(row * kColumns / 2 + at)], value)
                << IsaName(isa) << ", row " << row << " of " << rows << ", " << at;
          }
        }
      }
    }
  }
}

TEST(Gemm, RefusesCopiesThatDoNotFitTheirRows) {
  const PackedMatrix packed(64, 8, Storage::kFloat32);
  std::vector<float> a(20), c(64);
  ThreadPool pool(1);
  const Product product{
      .weights = &packed, .a = a.data(), .lda = 20, .rows = 1, .c = c.data(), .ldc = 64};
  EXPECT_NO_THROW(MultiplyCopies(pool, BestOps(), product, {2, 12, 32}));
  EXPECT_THROW(MultiplyCopies(pool, BestOps(), product, {2, 13, 32}), std::invalid_argument);
  EXPECT_THROW(MultiplyCopies(pool, BestOps(), product, {2, 12, 31}), std::invalid_argument);
  EXPECT_THROW(MultiplyCopies(pool, BestOps(), product, {2, 12, 33}), std::invalid_argument);
  EXPECT_THROW(MultiplyCopies(pool, BestOps(), product, {3, 1, 32}), std::invalid_argument);
}

TEST(Gemm, RefusesRowsShorterThanTheProduct) {
  const PackedMatrix packed(20, 8, Storage::kFloat32);
  std::vector<float> a(8), c(32);
  ThreadPool pool(1);
  Product product{.weights = &packed, .a = a.data(), .lda = 7, .rows = 1, .c = c.data(), .ldc = 32};
  EXPECT_THROW(Multiply(pool, BestOps(), product), std::invalid_argument);
  product.lda = 8;
  product.ldc = 20;
  EXPECT_THROW(Multiply(pool, BestOps(), product), std::invalid_argument);
  EXPECT_THROW(PackedMatrix(0, 8, Storage::kFloat32), std::invalid_argument);
}

}  // namespace
}  // namespace cohort::kernels
