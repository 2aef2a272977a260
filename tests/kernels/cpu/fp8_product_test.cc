#include "kernels/cpu/fp8_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

#include "kernels/reference.h"
#include "tests/kernels/cpu/parallel_orders.h"

namespace cohort::kernels {
namespace {

constexpr float kUntouched = 77.0f;
constexpr Fp8Pass kPasses[] = {Fp8Pass::kFprop, Fp8Pass::kDgrad, Fp8Pass::kWgrad};

// A product of matrices by rows, or by columns, whose blocks are of many sizes.
struct Case {
  Case(int64_t rows, int64_t depth, int64_t columns, Fp8Pass pass, bool by_columns = false)
      : a(RandomNormal(rows * depth, 1)), b(RandomNormal(columns * depth, 2)) {
    for (size_t i = 0; i < a.size(); ++i) a[i] *= std::ldexp(1.0f, static_cast<int>(i / 100 % 9));
    for (size_t i = 0; i < b.size(); ++i) b[i] *= std::ldexp(1.0f, -static_cast<int>(i / 77 % 7));
    product.pass = pass;
    DenseProduct& p = product.product;
    p.rows = rows;
    p.depth = depth;
    p.columns = columns;
    p.out_row = columns + 3;
    a_layout = by_columns ? Transposed(a, rows, depth) : a;
    b_layout = by_columns ? Transposed(b, columns, depth) : b;
    p.a = a_layout.data();
    p.b = b_layout.data();
    p.a_row = p.b_row = by_columns ? 1 : depth;
    p.a_column = by_columns ? rows : 1;
    p.b_column = by_columns ? columns : 1;
  }

  static std::vector<float> Transposed(const std::vector<float>& x, int64_t rows, int64_t depth) {
    std::vector<float> out(x.size());
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t k = 0; k < depth; ++k) {
        out[static_cast<size_t>(k * rows + i)] = x[static_cast<size_t>(i * depth + k)];
      }
    }
    return out;
  }

  std::vector<float> Run(const Ops& ops, const ParallelTasks& parallel, float before = 0) {
    std::vector<float> wide(static_cast<size_t>(product.product.rows * product.product.out_row + 1),
                            kUntouched);
    std::vector<float> out;
    for (int64_t i = 0; product.product.accumulate && i < product.product.rows; ++i) {
      std::fill_n(wide.data() + i * product.product.out_row, product.product.columns, before);
    }
    product.product.out = wide.data();
    std::vector<float> scratch(static_cast<size_t>(Fp8ScratchFloats({&product, 1})));
    MultiplyFp8({&product, 1}, ops, scratch.data(), parallel);
    for (int64_t i = 0; i < product.product.rows; ++i) {
      const float* row = wide.data() + i * product.product.out_row;
      out.insert(out.end(), row, row + product.product.columns);
      EXPECT_EQ(row[product.product.columns], kUntouched);
    }
    return out;
  }

  std::vector<float> Expected() const {
    return ReferenceFp8Product(a, b, product.product.rows, product.product.columns,
                               product.product.depth, product.pass);
  }

  std::vector<float> a, b, a_layout, b_layout;
  Fp8Product product;
};

constexpr int64_t kShapes[][3] = {{1, 1, 1},     {3, 5, 7},     {12, 128, 32},   {130, 129, 40},
                                  {121, 64, 17}, {5, 700, 130}, {1100, 20, 150}, {7, 576, 300},
                                  {4, 384, 128}};  // rows, depth, columns

TEST(Fp8Product, EqualsTheReferenceForAllShapesPassesStridesThreadsAndInstructionSets) {
  for (const auto& [rows, depth, columns] : kShapes) {
    for (const Fp8Pass pass : kPasses) {
      const std::vector<float> expected = Case(rows, depth, columns, pass).Expected();
      for (const bool by_columns : {false, true}) {
        Case c(rows, depth, columns, pass, by_columns);
        for (const Isa isa : AvailableIsas()) {
          SCOPED_TRACE(testing::Message()
                       << rows << "x" << depth << "x" << columns << " pass "
                       << static_cast<int>(pass) << (by_columns ? " by columns " : " by rows ")
                       << IsaName(isa));
          ASSERT_EQ(c.Run(OpsFor(isa), OneByOne), expected);
          ASSERT_EQ(c.Run(OpsFor(isa), OnTwoThreadsBackwards), expected);
        }
      }
    }
  }
}

// The mean error of e4m3 is 2^-4 / sqrt 3 / 2 a number, of a product of two about 0.026, whatever
// the sizes of the blocks.
TEST(Fp8Product, IsNearTheProductOfDoubles) {
  for (const Fp8Pass pass : kPasses) {
    Case c(40, 700, 60, pass);
    const std::vector<float> found = c.Run(BestOps(), OneByOne);
    double errors = 0, sizes = 0;
    for (int64_t i = 0; i < 40; ++i) {
      for (int64_t j = 0; j < 60; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < 700; ++k) {
          sum += static_cast<double>(c.a[static_cast<size_t>(i * 700 + k)]) *
                 static_cast<double>(c.b[static_cast<size_t>(j * 700 + k)]);
        }
        const double error = static_cast<double>(found[static_cast<size_t>(i * 60 + j)]) - sum;
        errors += error * error;
        sizes += sum * sum;
      }
    }
    EXPECT_GT(std::sqrt(errors / sizes), 0.01);
    EXPECT_LT(std::sqrt(errors / sizes), 0.05);
  }
}

// tests/golden/kernels/README.md
std::vector<float> DrawGolden(int64_t count, uint64_t seed, double size) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t mixed = (static_cast<uint64_t>(i) * 2654435761u + seed * 40503u) & 0xffffffffu;
    const double x = static_cast<double>(mixed) / 0x1p32 - 0.5;
    out.push_back(static_cast<float>(std::ldexp(x, static_cast<int>(i / 100 % 9)) * size));
  }
  return out;
}

TEST(Fp8Product, IsThatOfPyTorchsCasts) {
  std::ifstream golden(std::string(COHORT_GOLDEN_DIR) + "/kernels/fp8_products.txt");
  for (const Fp8Pass pass : kPasses) {
    Case c(3, 300, 140, pass);
    c.a_layout = DrawGolden(3 * 300, 1, pass == Fp8Pass::kFprop ? 1 : 0x1p-40);
    c.b_layout = DrawGolden(140 * 300, 2, 1);
    c.product.product.a = c.a_layout.data();
    c.product.product.b = c.b_layout.data();
    const std::vector<float> found = c.Run(BestOps(), OneByOne);
    std::vector<double> expected(found.size());
    double largest = 0;
    for (double& x : expected) {
      golden >> x;
      largest = std::max(largest, std::fabs(x));
    }
    ASSERT_TRUE(golden);
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(found[i]), expected[i], 1e-6 * largest) << i;
    }
  }
}

TEST(Fp8Product, ARowIsTheSameWhateverRowsAreBesideIt) {
  for (const Fp8Pass pass : {Fp8Pass::kFprop, Fp8Pass::kDgrad}) {
    Case whole(300, 300, 140, pass);
    const std::vector<float> expected = whole.Run(BestOps(), OneByOne);
    for (const auto& [first, count] : {std::pair{0, 1}, {17, 130}, {299, 1}}) {
      Case part(300, 300, 140, pass);
      part.product.product.a += first * 300;
      part.product.product.rows = count;
      const std::vector<float> found = part.Run(BestOps(), OneByOne);
      EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin() + first * 140));
    }
  }
}

// Pieces of whole tiles, as the gradient of a weight is added up.
TEST(Fp8Product, AccumulatesPiecesOfWholeTilesToTheBitsOfTheWhole) {
  Case whole(9, 1000, 21, Fp8Pass::kWgrad);
  const std::vector<float> expected = whole.Run(BestOps(), OneByOne);
  std::vector<float> out(9 * 21, 0.0f);
  for (int64_t k = 0; k < 1000; k += 256) {
    Fp8Product p = whole.product;
    p.product.a += k;
    p.product.b += k;
    p.product.depth = std::min<int64_t>(256, 1000 - k);
    p.product.out = out.data();
    p.product.out_row = 21;
    p.product.accumulate = k > 0;
    std::vector<float> scratch(static_cast<size_t>(Fp8ScratchFloats({&p, 1})));
    MultiplyFp8({&p, 1}, BestOps(), scratch.data(), OneByOne);
  }
  EXPECT_EQ(out, expected);
}

TEST(Fp8Product, OfNoDepthIsZeroOrWhatWasThere) {
  Case c(5, 0, 17, Fp8Pass::kWgrad);
  EXPECT_EQ(c.Run(BestOps(), OneByOne), std::vector<float>(5 * 17, 0.0f));
  c.product.product.accumulate = true;
  EXPECT_EQ(c.Run(BestOps(), OneByOne, 3), std::vector<float>(5 * 17, 3.0f));
}

// A mean over many tokens makes gradients of 1e-9 and less: all of a tile below 2^-10 of an
// activation's smallest scale would be lost.
TEST(Fp8Product, GradientsAreNotLostForBeingSmall) {
  for (const Fp8Pass pass : {Fp8Pass::kDgrad, Fp8Pass::kWgrad}) {
    Case c(20, 200, 30, pass);
    const std::vector<float> expected = c.Run(BestOps(), OneByOne);
    for (float& x : c.a_layout) x *= 0x1p-60f;
    const std::vector<float> found = c.Run(BestOps(), OneByOne);
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], expected[i] * 0x1p-60f);
  }
  Case zeros(3, 200, 5, Fp8Pass::kDgrad);
  std::fill(zeros.a_layout.begin(), zeros.a_layout.end(), 0.0f);
  EXPECT_EQ(zeros.Run(BestOps(), OneByOne), std::vector<float>(15, 0.0f));
}

TEST(Fp8Product, ScalesThatArePowersOfTwoLeavePowersOfTwoExact) {
  Case c(3, 256, 4, Fp8Pass::kFprop);
  for (size_t i = 0; i < c.a_layout.size(); ++i) c.a_layout[i] = i % 2 == 0 ? 1.0f : 0.0625f;
  std::fill(c.b_layout.begin(), c.b_layout.end(), 0.375f);
  c.product.scales = Fp8ScaleFormat::kUe8m0;
  EXPECT_EQ(c.Run(BestOps(), OneByOne), std::vector<float>(12, 128 * 1.0625f * 0.375f));
}

TEST(Fp8Product, WhatIsNoNumberReachesTheOutputsThatItIsATermOf) {
  Case c(3, 300, 4, Fp8Pass::kFprop);
  c.a_layout[300 + 150] = NAN;
  const std::vector<float> found = c.Run(BestOps(), OneByOne);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(std::isnan(found[i]), i / 4 == 1) << i;
}

TEST(Fp8Product, AListGivesWhatItsProductsGiveAlone) {
  Case first(40, 130, 20, Fp8Pass::kFprop), second(0, 30, 20, Fp8Pass::kDgrad),
      third(7, 9, 33, Fp8Pass::kWgrad, true);
  std::vector<Fp8Product> list;
  std::vector<std::vector<float>> results;
  for (Case* c : {&first, &second, &third}) {
    results.emplace_back(static_cast<size_t>(c->product.product.rows * c->product.product.columns));
    list.push_back(c->product);
    list.back().product.out_row = c->product.product.columns;
  }
  for (size_t i = 0; i < list.size(); ++i) list[i].product.out = results[i].data();
  std::vector<float> scratch(static_cast<size_t>(Fp8ScratchFloats(list)));
  MultiplyFp8(list, BestOps(), scratch.data(), OneByOne);
  EXPECT_EQ(results[0], first.Expected());
  EXPECT_EQ(results[2], third.Expected());
}

}  // namespace
}  // namespace cohort::kernels
