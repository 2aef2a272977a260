#include "kernels/cpu/dense_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/reference.h"
#include "tests/kernels/cpu/parallel_orders.h"

namespace cohort::kernels {
namespace {

constexpr float kUntouched = 77.0f;

constexpr int64_t kShapes[][3] = {
    {1, 1, 1},    {3, 5, 7},      {12, 64, 32},    {130, 33, 40},
    {121, 0, 17}, {5, 1700, 130}, {1100, 20, 150}, {7, 257, 33},
    {4, 700, 20}, {3, 1025, 18},  {1950, 9, 37},   {6, 2300, 290}};  // rows, depth, columns

// A product of random matrices, each operand lying by rows or by columns, and the buffers it uses.
struct Case {
  Case(int64_t rows, int64_t depth, int64_t columns, bool a_by_columns, bool b_by_columns)
      : a(RandomNormal(rows * depth, 1)), b(RandomNormal(columns * depth, 2)) {
    product.a = a.data();
    product.a_row = a_by_columns ? 1 : depth;
    product.a_column = a_by_columns ? rows : 1;
    product.b = b.data();
    product.b_row = b_by_columns ? 1 : depth;
    product.b_column = b_by_columns ? columns : 1;
    product.out_row = columns + 3;
    product.rows = rows;
    product.depth = depth;
    product.columns = columns;
    out.assign(static_cast<size_t>(rows * product.out_row + 1), kUntouched);
  }

  std::vector<float> Run(const Ops& ops, const ParallelTasks& parallel) {
    std::vector<float> result = out;
    product.out = result.data();
    std::vector<float> scratch(static_cast<size_t>(DenseScratchFloats({&product, 1})));
    MultiplyDense({&product, 1}, ops, scratch.data(), parallel);
    return result;
  }

  // Rows of one operand, each of `depth` numbers.
  std::vector<float> Plain(const float* from, int64_t rows, int64_t row, int64_t column) const {
    std::vector<float> plain;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t k = 0; k < product.depth; ++k) plain.push_back(from[i * row + k * column]);
    }
    return plain;
  }

  // Of operands in bf16; to be added to zeros.
  std::vector<float> ExpectedOfPairs(
      decltype(ReferencePairProduct)* reference = ReferencePairProduct) const {
    std::vector<float> result = out;
    const std::vector<float> sums =
        reference(Plain(product.a, product.rows, product.a_row, product.a_column),
                  Plain(product.b, product.columns, product.b_row, product.b_column), product.rows,
                  product.columns, product.depth);
    for (int64_t i = 0; i < product.rows; ++i) {
      std::copy_n(sums.data() + i * product.columns, product.columns,
                  result.data() + i * product.out_row);
    }
    return result;
  }

  // For each element chains of 256 fused multiply-adds, added up in order; nothing else is written.
  std::vector<float> Expected() const {
    std::vector<float> result = out;
    for (int64_t i = 0; i < product.rows; ++i) {
      for (int64_t j = 0; j < product.columns; ++j) {
        float& sum = result[static_cast<size_t>(i * product.out_row + j)];
        if (!product.accumulate) sum = 0;
        for (int64_t first = 0; first < product.depth; first += 256) {
          float chain = 0;
          for (int64_t k = first; k < std::min(first + 256, product.depth); ++k) {
            chain = std::fma(product.a[i * product.a_row + k * product.a_column],
                             product.b[j * product.b_row + k * product.b_column], chain);
          }
          sum = sum + chain;
        }
      }
    }
    return result;
  }

  std::vector<float> a, b, out;
  DenseProduct product;
};

TEST(DenseProduct, EqualsTheSumOfChainsBitForBitForAllShapesStridesThreadsAndInstructionSets) {
  for (const auto& [rows, depth, columns] : kShapes) {
    for (const int layout : {0, 1, 2, 3}) {
      for (const bool accumulate : {false, true}) {
        Case c(rows, depth, columns, (layout & 1) != 0, (layout & 2) != 0);
        c.product.accumulate = accumulate;
        const std::vector<float> expected = c.Expected();
        for (const Isa isa : AvailableIsas()) {
          SCOPED_TRACE(testing::Message() << rows << "x" << depth << "x" << columns << " layout "
                                          << layout << " " << IsaName(isa));
          ASSERT_EQ(c.Run(OpsFor(isa), OneByOne), expected);
          ASSERT_EQ(c.Run(OpsFor(isa), OnTwoThreadsBackwards), expected);
        }
      }
    }
  }
}

TEST(DenseProduct, InBf16EqualsTheReferenceForAllShapesStridesThreadsAndInstructionSets) {
  for (const auto& [rows, depth, columns] : kShapes) {
    for (const int layout : {0, 1, 2, 3}) {
      Case c(rows, depth, columns, (layout & 1) != 0, (layout & 2) != 0);
      c.product.numerics = Numerics::kBf16Dot;
      const std::vector<float> expected = c.ExpectedOfPairs();
      for (const Isa isa : AvailableIsas()) {
        SCOPED_TRACE(testing::Message() << rows << "x" << depth << "x" << columns << " layout "
                                        << layout << " " << IsaName(isa));
        ASSERT_EQ(c.Run(OpsFor(isa), OneByOne), expected);
        ASSERT_EQ(c.Run(OpsFor(isa), OnTwoThreadsBackwards), expected);
      }
    }
  }
}

// Products of 1e-38 and less vanish, as in the instruction.
TEST(DenseProduct, InBf16HasNoDenormals) {
  Case c(3, 300, 20, false, true);
  for (float& x : c.a) x *= 1e-19f;
  for (float& x : c.b) x *= 1e-19f;
  c.product.numerics = Numerics::kBf16Dot;
  const std::vector<float> expected = c.ExpectedOfPairs();
  for (const Isa isa : AvailableIsas()) {
    EXPECT_EQ(c.Run(OpsFor(isa), OneByOne), expected) << IsaName(isa);
  }
}

// The gradient of a vocabulary's head comes in such pieces.
TEST(DenseProduct, AccumulatesPiecesOfWholeChainsToTheBitsOfTheWhole) {
  for (const Numerics numerics : {Numerics::kFloat32, Numerics::kBf16Dot, Numerics::kBf16Amx}) {
    Case c(9, 1300, 21, true, true);
    c.product.numerics = numerics;
    const std::vector<float> expected =
        numerics == Numerics::kFloat32
            ? c.Expected()
            : c.ExpectedOfPairs(numerics == Numerics::kBf16Amx ? ReferenceAmxProduct
                                                               : ReferencePairProduct);
    const DenseProduct whole = c.product;
    for (const int64_t piece : {256, 512, 768}) {
      std::vector<float> result = c.out;
      for (int64_t k = 0; k < whole.depth; k += piece) {
        DenseProduct p = whole;
        p.a += k * p.a_column;
        p.b += k * p.b_column;
        p.depth = std::min(piece, whole.depth - k);
        p.accumulate = k > 0;
        p.out = result.data();
        std::vector<float> scratch(static_cast<size_t>(DenseScratchFloats({&p, 1})));
        MultiplyDense({&p, 1}, BestOps(), scratch.data(), OneByOne);
      }
      EXPECT_EQ(result, expected) << "pieces of " << piece << ", " << NumericsName(numerics);
    }
  }
}

TEST(DenseProduct, AListGivesWhatItsProductsGiveAlone) {
  Case first(40, 30, 20, true, false), second(0, 30, 20, false, true), third(7, 9, 33, true, true);
  std::vector<DenseProduct> list;
  std::vector<std::vector<float>> results;
  for (Case* c : {&first, &second, &third}) results.push_back(c->out);
  size_t next = 0;
  for (Case* c : {&first, &second, &third}) {
    list.push_back(c->product);
    list.back().out = results[next++].data();
  }
  std::vector<float> scratch(static_cast<size_t>(DenseScratchFloats(list)));
  MultiplyDense(list, BestOps(), scratch.data(), OneByOne);
  EXPECT_EQ(results[0], first.Expected());
  EXPECT_EQ(results[1], second.Expected());
  EXPECT_EQ(results[2], third.Expected());
}

}  // namespace
}  // namespace cohort::kernels
