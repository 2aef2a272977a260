#include "kernels/cpu/bf16_products.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>

#include "kernels/cpu/dense_product.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/isa.h"
#include "kernels/reference.h"
#include "tests/kernels/cpu/emulated_tiles.h"
#include "tests/kernels/cpu/parallel_orders.h"

namespace cohort::kernels {
namespace {

using testing::HasSubstr;

// A set whose products of the class kBf16Amx run on emulated tiles.
Ops OnEmulatedTiles() {
  Ops ops = BestOps();
  ops.gemm_amx = &MultiplyOnTiles<EmulatedTiles>;
  return ops;
}

// Every set of this CPU, which all have the class, and emulated tiles.
std::vector<Ops> AmxSets() {
  std::vector<Ops> sets = {OnEmulatedTiles()};
  for (const Isa isa : AvailableIsas()) sets.push_back(OpsFor(isa));
  return sets;
}

std::vector<float> Scaled(std::vector<float> values, float factor) {
  for (float& value : values) value *= factor;
  return values;
}

PackedMatrix PackAmx(const std::vector<float>& w, int64_t columns, int64_t depth) {
  PackedMatrix packed(columns, depth, Storage::kAmxPairs);
  for (int64_t panel = 0; panel < packed.panels(); ++panel) {
    packed.PackPanel(panel, w.data() + panel * 16 * depth, depth,
                     std::min<int64_t>(16, columns - panel * 16), depth);
  }
  return packed;
}

std::vector<float> Packed(const Ops& ops, int threads, const PackedMatrix& w,
                          const std::vector<float>& a, int64_t rows) {
  ThreadPool pool(threads);
  const int64_t ldc = w.panels() * 16;
  std::vector<float> c(static_cast<size_t>(rows * ldc)), found;
  Multiply(
      pool, ops,
      {.weights = &w, .a = a.data(), .lda = w.depth(), .rows = rows, .c = c.data(), .ldc = ldc});
  for (int64_t row = 0; row < rows; ++row) {
    found.insert(found.end(), c.begin() + row * ldc, c.begin() + row * ldc + w.columns());
  }
  return found;
}

// Rows around one tile and two, columns around panels, depths around blocks and around what is
// taken at once; products that vanish too.
TEST(AmxProducts, OfPackedWeightsEqualTheReferenceForAllShapesThreadsAndUnits) {
  constexpr int64_t kShapes[][3] = {{1, 1, 1},     {1, 32, 16},   {3, 33, 45},   {15, 64, 130},
                                    {16, 31, 31},  {17, 100, 17}, {31, 96, 33},  {32, 512, 16},
                                    {33, 513, 70}, {65, 40, 49},  {5, 1100, 17}, {130, 530, 33}};
  for (const auto& [rows, depth, columns] : kShapes) {
    for (const float factor : {1.0f, 1e-19f}) {
      const std::vector<float> a = Scaled(RandomNormal(rows * depth, 1), factor),
                               w = Scaled(RandomNormal(columns * depth, 2), factor);
      const std::vector<float> expected = ReferenceAmxProduct(a, w, rows, columns, depth);
      const PackedMatrix packed = PackAmx(w, columns, depth);
      for (const Ops& ops : AmxSets()) {
        for (const int threads : {1, 2}) {
          ASSERT_EQ(Packed(ops, threads, packed, a, rows), expected)
              << IsaName(ops.isa) << ", " << rows << " rows, depth " << depth;
        }
      }
    }
  }
}

TEST(AmxProducts, OfPackedWeightsGiveBackTheRowsThatWerePacked) {
  const std::vector<float> w = {1.5f, -2.0f, 0.25f, 3.0f, 8.0f, -0.5f};
  const PackedMatrix packed = PackAmx(w, 2, 3);
  std::vector<float> column(3);
  packed.ReadColumn(1, column.data());
  EXPECT_EQ(column, (std::vector<float>{3.0f, 8.0f, -0.5f}));
}

// A product of plain matrices, each operand lying by rows or by columns.
std::vector<float> Dense(const Ops& ops, const ParallelTasks& parallel, DenseProduct product) {
  std::vector<float> out(static_cast<size_t>(product.rows * product.columns), 77.0f);
  product.out = out.data();
  product.out_row = product.columns;
  product.numerics = Numerics::kBf16Amx;
  std::vector<float> scratch(static_cast<size_t>(DenseScratchFloats({&product, 1})));
  MultiplyDense({&product, 1}, ops, scratch.data(), parallel);
  return out;
}

std::vector<float> Transposed(const std::vector<float>& from, int64_t rows, int64_t columns) {
  std::vector<float> to;
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t row = 0; row < rows; ++row) {
      to.push_back(from[static_cast<size_t>(row * columns + column)]);
    }
  }
  return to;
}

TEST(AmxProducts, OfPlainMatricesEqualTheReferenceForAllStridesThreadsAndUnits) {
  constexpr int64_t kShapes[][3] = {{1, 1, 1},      {3, 5, 7},    {12, 64, 32},
                                    {130, 33, 40},  {5, 0, 17},   {5, 1700, 130},
                                    {1100, 20, 50}, {7, 257, 33}, {4, 700, 20}};
  for (const auto& [rows, depth, columns] : kShapes) {
    const std::vector<float> a = RandomNormal(rows * depth, 3),
                             b = RandomNormal(columns * depth, 4);
    const std::vector<float> expected = ReferenceAmxProduct(a, b, rows, columns, depth);
    const std::vector<float> a_turned = Transposed(a, rows, depth),
                             b_turned = Transposed(b, columns, depth);
    for (const int layout : {0, 1, 2, 3}) {
      const bool a_by_columns = (layout & 1) != 0, b_by_columns = (layout & 2) != 0;
      const DenseProduct product = {.a = (a_by_columns ? a_turned : a).data(),
                                    .a_row = a_by_columns ? 1 : depth,
                                    .a_column = a_by_columns ? rows : 1,
                                    .b = (b_by_columns ? b_turned : b).data(),
                                    .b_row = b_by_columns ? 1 : depth,
                                    .b_column = b_by_columns ? columns : 1,
                                    .rows = rows,
                                    .depth = depth,
                                    .columns = columns};
      for (const Ops& ops : AmxSets()) {
        SCOPED_TRACE(testing::Message() << IsaName(ops.isa) << ", " << rows << "x" << depth << "x"
                                        << columns << " layout " << layout);
        ASSERT_EQ(Dense(ops, OneByOne, product), expected);
        ASSERT_EQ(Dense(ops, OnTwoThreadsBackwards, product), expected);
      }
    }
  }
}

TEST(AmxProducts, ARowsBitsDependOnNoOtherRow) {
  constexpr int64_t kRows = 70, kDepth = 300, kColumns = 50;
  const std::vector<float> a = RandomNormal(kRows * kDepth, 5),
                           w = RandomNormal(kColumns * kDepth, 6);
  const PackedMatrix packed = PackAmx(w, kColumns, kDepth);
  const Ops ops = OnEmulatedTiles();
  const std::vector<float> all = Packed(ops, 2, packed, a, kRows);
  for (int64_t row = 0; row < kRows; ++row) {
    const std::vector<float> one(a.begin() + row * kDepth, a.begin() + (row + 1) * kDepth);
    const std::vector<float> among(all.begin() + row * kColumns,
                                   all.begin() + (row + 1) * kColumns);
    ASSERT_EQ(Packed(ops, 1, packed, one, 1), among) << row;
  }
}

TEST(AmxProducts, AddsAResidualOnceAtTheEndAndGoesOnWithEarlierBlocks) {
  constexpr int64_t kRows = 40, kPairs = 288, kPanels = 5, kColumns = kPanels * 16;
  const std::vector<float> a = RandomNormal(kRows * 2 * kPairs, 7),
                           w = RandomNormal(kColumns * 2 * kPairs, 8),
                           old = RandomNormal(kRows * kColumns, 9);
  std::vector<uint32_t> rows(kRows * kPairs), panels(kPairs * kColumns);
  ScalarOps().round_bf16(a.data(), std::ssize(a), reinterpret_cast<uint16_t*>(rows.data()));
  for (int64_t k = 0; k < kPairs; ++k) {
    for (int64_t column = 0; column < kColumns; ++column) {
      const float* pair = w.data() + column * 2 * kPairs + 2 * k;
      ScalarOps().round_pairs(pair, pair + 1, 1,
                              panels.data() + (column / 16 * kPairs + k) * 16 + column % 16);
    }
  }
  const std::vector<float> whole = ReferenceAmxProduct(a, w, kRows, kColumns, 2 * kPairs);
  std::vector<float> added = old;
  for (size_t i = 0; i < added.size(); ++i) added[i] = added[i] + whole[i];
  for (const Ops& ops : AmxSets()) {
    const auto multiply = [&](std::vector<float>* c, int64_t first, int64_t pairs, TileMode mode) {
      ops.gemm_amx({rows.data() + first, kPairs, kRows, panels.data() + first * 16, kPairs * 16,
                    kPanels, pairs, c->data(), kColumns, mode});
    };
    std::vector<float> c = old;
    multiply(&c, 0, kPairs, TileMode::kAdd);
    EXPECT_EQ(c, added) << IsaName(ops.isa);
    multiply(&c, 0, 48, TileMode::kStore);
    multiply(&c, 48, kPairs - 48, TileMode::kContinue);
    EXPECT_EQ(c, whole) << IsaName(ops.isa);
  }
}

// Against fp64 products of the same rounded operands: a mean error far below bf16's own rounding.
TEST(AmxProducts, ErrIn32BitSumsOnly) {
  constexpr int64_t kRows = 8, kDepth = 4096, kColumns = 32;
  std::vector<float> a = RandomNormal(kRows * kDepth, 10), w = RandomNormal(kColumns * kDepth, 11);
  for (std::vector<float>* values : {&a, &w}) {
    for (float& x : *values) {
      x = std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0xffff0000u);
    }
  }
  const std::vector<float> found =
      Packed(OnEmulatedTiles(), 1, PackAmx(w, kColumns, kDepth), a, kRows);
  double error = 0;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t column = 0; column < kColumns; ++column) {
      double exact = 0;
      for (int64_t k = 0; k < kDepth; ++k) {
        exact += static_cast<double>(a[static_cast<size_t>(row * kDepth + k)]) *
                 static_cast<double>(w[static_cast<size_t>(column * kDepth + k)]);
      }
      error += std::abs(found[static_cast<size_t>(row * kColumns + column)] - exact);
    }
  }
  // Of sums of about sqrt(4096) = 64.
  EXPECT_LT(error / (kRows * kColumns), 64 * 1e-6);
}

AmxSystem Permitting() {
  return {true, true, [] { return 0; }};
}

TEST(Bf16Products, TilesThatMustNotBeTouchedAreNotAndTheReasonIsSaid) {
  Ops amx = BestOps();
  amx.gemm_amx = [](const TileArgs&) { FAIL() << "a tile instruction would have run"; };
  const Bf16Rivals rivals{BestOps(), ScalarOps(), [](const Ops&, Numerics) { return 1.0; }};
  const auto never = []() -> int {
    ADD_FAILURE() << "asked for what is not there";
    return 0;
  };
  const std::pair<AmxSystem, const char*> cases[] = {
      {{false, true, never}, "this CPU has none"},
      {{true, false, never}, "does not keep its registers"},
      {{true, true, [] { return EPERM; }}, "Operation not permitted"},
      {{true, true, [] { return EINVAL; }}, "Invalid argument"},
      {{true, true, [] { return ENOSYS; }}, "not implemented"}};
  for (const auto& [system, reason] : cases) {
    const Bf16Products chosen = ChooseBf16Products(system, &amx, rivals);
    EXPECT_EQ(chosen.numerics, Numerics::kBf16Dot);
    EXPECT_FALSE(chosen.on_tiles);
    EXPECT_THAT(chosen.amx, HasSubstr(reason));
  }
  EXPECT_THAT(ChooseBf16Products(Permitting(), nullptr, rivals).amx, HasSubstr("compiled without"));
}

TEST(Bf16Products, TilesOfOtherBitsAreNotUsedAndThatIsSaid) {
  Ops amx = BestOps();
  amx.gemm_amx = [](const TileArgs& args) {
    MultiplyOnTiles<EmulatedTiles>(args);
    args.c[0] = std::nextafter(args.c[0], 1e9f);
  };
  const Bf16Rivals rivals{BestOps(), ScalarOps(), [](const Ops&, Numerics) { return 1.0; }};
  const Bf16Products chosen = ChooseBf16Products(Permitting(), &amx, rivals);
  EXPECT_EQ(chosen.numerics, Numerics::kBf16Dot);
  EXPECT_FALSE(chosen.on_tiles);
  EXPECT_THAT(chosen.amx, HasSubstr("other bits"));
}

// As a unit would be that takes the terms as VDPBF16PS does.
TEST(Bf16Products, TilesThatMixEvenAndOddTermsHaveOtherBits) {
  Ops amx = BestOps();
  amx.gemm_amx = amx.gemm_pairs;
  EXPECT_FALSE(GivesSameAmxBits(amx, ScalarOps()));
}

TEST(Bf16Products, AreOfTheClassThatIsFaster) {
  const Ops amx = OnEmulatedTiles();
  for (const bool slow : {false, true}) {
    const Bf16Rivals rivals{BestOps(), ScalarOps(), [&](const Ops&, Numerics numerics) {
                              return numerics == Numerics::kBf16Amx && slow ? 2.0 : 1.0;
                            }};
    const Bf16Products chosen = ChooseBf16Products(Permitting(), &amx, rivals);
    EXPECT_EQ(chosen.numerics, slow ? Numerics::kBf16Dot : Numerics::kBf16Amx);
    EXPECT_TRUE(chosen.on_tiles) << "for a run of that class";
    EXPECT_EQ(chosen.amx, slow ? "works, but dot products are faster here" : "used");
  }
}

TEST(Bf16Products, OfThisMachineAgreeWithItsSets) {
  const Bf16Products& here = ThisBf16Products();
  EXPECT_EQ(here.on_tiles, BestOps().isa == Isa::kAmx);
  EXPECT_FALSE(here.amx.empty());
  const bool refused = !AmxRefusal(ThisAmxSystem()).empty();
  EXPECT_TRUE(!refused || here.numerics == Numerics::kBf16Dot);
}

}  // namespace
}  // namespace cohort::kernels
