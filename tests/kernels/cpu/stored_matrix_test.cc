#include "kernels/cpu/stored_matrix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "kernels/cpu/fp8_product.h"
#include "tests/kernels/cpu/parallel_orders.h"

namespace cohort::kernels {
namespace {

// A matrix by rows in e4m3 or bf16, in one or two parts, and its numbers in fp32.
struct Stored {
  Stored(int64_t rows, int64_t columns, MatrixFormat format, int64_t part_rows)
      : rows(rows), columns(columns) {
    matrix.format = format;
    matrix.row_stride = columns;
    matrix.part_rows = part_rows;
    matrix.scale_stride = (columns + 127) / 128;
    const int64_t block_rows = rows / part_rows * ((part_rows + 127) / 128);
    scales = RandomNormal(block_rows * matrix.scale_stride, 5);
    for (float& scale : scales) scale = std::abs(scale) + 0.1f;
    const std::vector<float> drawn = RandomNormal(rows * columns, 6, 20);
    for (int64_t i = 0; i < rows * columns; ++i) {
      const float x = drawn[static_cast<size_t>(i)];
      if (format == MatrixFormat::kBFloat16) {
        halves.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16));
        numbers.push_back(std::bit_cast<float>(static_cast<uint32_t>(halves.back()) << 16));
        continue;
      }
      const int64_t row = i / columns, part = row / part_rows;
      const int64_t block = part * ((part_rows + 127) / 128) + row % part_rows / 128;
      codes.push_back(EncodeE4m3(x));
      numbers.push_back(
          DecodeE4m3(codes.back()) *
          scales[static_cast<size_t>(block * matrix.scale_stride + i % columns / 128)]);
    }
    matrix.data =
        format == MatrixFormat::kBFloat16 ? static_cast<const void*>(halves.data()) : codes.data();
    matrix.scales = scales.data();
  }

  int64_t rows, columns;
  std::vector<uint16_t> halves;
  std::vector<uint8_t> codes;
  std::vector<float> scales, numbers;
  StoredMatrix matrix;
};

// x W^T or x W, with W as it is kept or in fp32.
std::vector<float> Product(const Stored& w, bool transposed, Numerics numerics, bool as_kept) {
  const int64_t rows = 37;
  DenseProduct p;
  p.rows = rows;
  p.depth = transposed ? w.rows : w.columns;
  p.columns = transposed ? w.columns : w.rows;
  const std::vector<float> a = RandomNormal(rows * p.depth, 7);
  std::vector<float> out(static_cast<size_t>(rows * p.columns));
  p.a = a.data();
  p.a_row = p.depth;
  p.a_column = 1;
  p.out = out.data();
  p.out_row = p.columns;
  p.numerics = numerics;
  if (as_kept) {
    p.stored_b = w.matrix;
    p.stored_b.transposed = transposed;
  } else {
    p.b = w.numbers.data();
    p.b_row = transposed ? 1 : w.columns;
    p.b_column = transposed ? w.columns : 1;
  }
  if (numerics == Numerics::kFp8Blocks) {
    const Fp8Product fp8{p, transposed ? Fp8Pass::kDgrad : Fp8Pass::kFprop};
    std::vector<float> scratch(static_cast<size_t>(Fp8ScratchFloats({&fp8, 1})));
    MultiplyFp8({&fp8, 1}, BestOps(), scratch.data(), OneByOne);
  } else {
    std::vector<float> scratch(static_cast<size_t>(DenseScratchFloats({&p, 1})));
    MultiplyDense({&p, 1}, BestOps(), scratch.data(), OneByOne);
  }
  return out;
}

constexpr int64_t kShapes[][3] = {{5, 7, 5},
                                  {144, 300, 144},
                                  {600, 130, 600},
                                  {192, 257, 96},
                                  {512, 384, 256}};  // rows, columns, part's rows

TEST(StoredMatrix, GivesTheBitsOfItsNumbersInFp32InBothClassesAndDirections) {
  for (const auto& [rows, columns, part_rows] : kShapes) {
    for (const MatrixFormat format : {MatrixFormat::kBFloat16, MatrixFormat::kE4m3}) {
      const Stored w(rows, columns, format, part_rows);
      for (const bool transposed : {false, true}) {
        for (const Numerics numerics : {Numerics::kFloat32, Numerics::kBf16Dot}) {
          EXPECT_EQ(Product(w, transposed, numerics, true), Product(w, transposed, numerics, false))
              << rows << "x" << columns << ", " << NumericsName(numerics);
        }
      }
    }
  }
}

TEST(StoredMatrix, InBf16BecomesTheFp8OfItsNumbers) {
  for (const auto& [rows, columns, part_rows] : kShapes) {
    const Stored w(rows, columns, MatrixFormat::kBFloat16, part_rows);
    for (const bool transposed : {false, true}) {
      EXPECT_EQ(Product(w, transposed, Numerics::kFp8Blocks, true),
                Product(w, transposed, Numerics::kFp8Blocks, false));
    }
  }
}

// Its codes and scales are not made anew: with activations that e4m3 has exactly, the product is
// that of its numbers but for the rounding of sums.
TEST(StoredMatrix, InE4m3IsTakenAsItIsByFp8Products) {
  for (const auto& [rows, columns, part_rows] : kShapes) {
    if (part_rows % 128 != 0 && part_rows != rows) continue;
    const Stored w(rows, columns, MatrixFormat::kE4m3, part_rows);
    for (const bool transposed : {false, true}) {
      Fp8Product fp8;
      DenseProduct& p = fp8.product;
      fp8.pass = transposed ? Fp8Pass::kDgrad : Fp8Pass::kFprop;
      p.rows = 3;
      p.depth = transposed ? w.rows : w.columns;
      p.columns = transposed ? w.columns : w.rows;
      std::vector<float> a(static_cast<size_t>(3 * p.depth), 448.0f), out(3 * p.columns);
      for (size_t i = 0; i < a.size(); i += 3) a[i] = -224.0f;
      p.a = a.data();
      p.a_row = p.depth;
      p.a_column = 1;
      p.out = out.data();
      p.out_row = p.columns;
      p.stored_b = w.matrix;
      p.stored_b.transposed = transposed;
      std::vector<float> scratch(static_cast<size_t>(Fp8ScratchFloats({&fp8, 1})));
      MultiplyFp8({&fp8, 1}, BestOps(), scratch.data(), OneByOne);
      for (int64_t i = 0; i < 3 * p.columns; ++i) {
        double sum = 0, size = 0;
        for (int64_t k = 0; k < p.depth; ++k) {
          const int64_t j = i % p.columns;
          const float number =
              w.numbers[static_cast<size_t>(transposed ? k * columns + j : j * columns + k)];
          const double term =
              static_cast<double>(a[static_cast<size_t>(i / p.columns * p.depth + k)]) * number;
          sum += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(out[static_cast<size_t>(i)], sum, 1e-6 * size);
      }
    }
  }
}

}  // namespace
}  // namespace cohort::kernels
