#include "kernels/cpu/gemm.h"

#include <gtest/gtest.h>

#include <bit>
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
                                         Shape{1024, 96}));

TEST_P(GemmShapes, EqualsTheScalarChainBitForBitWhateverRowsThreadsAndInstructionSet) {
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
  const int64_t columns = 45, depth = 70, rows = 9;
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

TEST(Gemm, RoundsBf16ToNearestEven) {
  // 1 + 2^-8 lies half way between 1 and 1 + 2^-7: to even, 1. 1 + 3 * 2^-8 likewise: to 1 + 2^-6.
  const std::vector<float> w = {1.00390625f, 1.01171875f, -1.00390625f, 1.004f};
  const PackedMatrix packed = Pack(w, 1, 4, Storage::kBFloat16);
  std::vector<float> out(4);
  packed.ReadColumn(0, out.data());
  EXPECT_EQ(out, (std::vector<float>{1.0f, 1.015625f, -1.0f, 1.0078125f}));
}

TEST(Gemm, AddsTheResidualOnceAtTheEnd) {
  const std::vector<float> w = Random(16 * 20, 4), a = Random(3 * 20, 5), old = Random(3 * 16, 6);
  const PackedMatrix packed = Pack(w, 16, 20, Storage::kFloat32);
  const std::vector<float> product = ReferenceProduct(a, w, 3, 16, 20);
  std::vector<float> c = old;
  ThreadPool pool(1);
  Multiply(pool, BestOps(),
           {.weights = &packed,
            .a = a.data(),
            .lda = 20,
            .rows = 3,
            .c = c.data(),
            .ldc = 16,
            .mode = TileMode::kAdd});
  for (size_t i = 0; i < c.size(); ++i) EXPECT_EQ(c[i], old[i] + product[i]);
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
