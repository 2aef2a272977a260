#include "kernels/cpu/dense_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <thread>

namespace cohort::kernels {
namespace {

constexpr float kUntouched = 77.0f;

std::vector<float> Random(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

void OneByOne(int64_t n, const std::function<void(int64_t)>& task) {
  for (int64_t i = 0; i < n; ++i) task(i);
}

void OnTwoThreadsBackwards(int64_t n, const std::function<void(int64_t)>& task) {
  std::thread other([&] {
    for (int64_t i = n / 2 - 1; i >= 0; --i) task(i);
  });
  for (int64_t i = n - 1; i >= n / 2; --i) task(i);
  other.join();
}

// A product of random matrices, each operand lying by rows or by columns, and the buffers it uses.
struct Case {
  Case(int64_t rows, int64_t depth, int64_t columns, bool a_by_columns, bool b_by_columns)
      : a(Random(rows * depth, 1)), b(Random(columns * depth, 2)) {
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

  // One chain of fused multiply-adds for each element; nothing else is written.
  std::vector<float> Expected() const {
    std::vector<float> result = out;
    for (int64_t i = 0; i < product.rows; ++i) {
      for (int64_t j = 0; j < product.columns; ++j) {
        float& sum = result[static_cast<size_t>(i * product.out_row + j)];
        if (!product.accumulate) sum = 0;
        for (int64_t k = 0; k < product.depth; ++k) {
          sum = std::fma(product.a[i * product.a_row + k * product.a_column],
                         product.b[j * product.b_row + k * product.b_column], sum);
        }
      }
    }
    return result;
  }

  std::vector<float> a, b, out;
  DenseProduct product;
};

TEST(DenseProduct, EqualsTheChainOfFmasBitForBitForAllShapesStridesThreadsAndInstructionSets) {
  const int64_t shapes[][3] = {{1, 1, 1},    {3, 5, 7},      {12, 64, 32},   {130, 33, 40},
                               {121, 0, 17}, {5, 1700, 130}, {1100, 20, 150}};
  for (const auto& [rows, depth, columns] : shapes) {
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
