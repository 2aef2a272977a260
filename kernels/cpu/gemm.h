#pragma once

// Matrix products against packed weights: c[rows, columns] = a[rows, depth] w[columns, depth]^T.
//
// Weights lie in panels of 16 columns, [columns / 16][depth][16], the last panel padded with zero
// columns. Each output is a sum over depth in the order of ops.h, so neither the number of
// rows, nor the thread count, nor the instruction set changes a bit of it. Weights that lie in
// pairs meet rows of a rounded to bf16, in the class that the storage names.

#include <cstdint>

#include "kernels/cpu/huge_buffer.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/thread_pool.h"

namespace cohort::kernels {

// Of the weights; products accumulate in fp32.
enum class Storage {
  kFloat32,
  kBFloat16,   // half the memory; products of the class kFloat32
  kBf16Pairs,  // [columns / 16][depth / 2][16][2] bf16; products of the class kBf16Dot
  kAmxPairs,   // the same, its depth a multiple of 32; products of the class kBf16Amx
};
constexpr Numerics NumericsOf(Storage storage) {
  return storage == Storage::kAmxPairs    ? Numerics::kBf16Amx
         : storage == Storage::kBf16Pairs ? Numerics::kBf16Dot
                                          : Numerics::kFloat32;
}
constexpr bool HoldsPairs(Storage storage) { return NumericsOf(storage) != Numerics::kFloat32; }

constexpr int64_t kPanelColumns = 16;
constexpr int64_t PadToPanel(int64_t n) {
  return (n + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
}

class PackedMatrix {
 public:
  PackedMatrix() = default;
  // All zero. std::invalid_argument for a size below 1, std::bad_alloc when memory does not
  // suffice.
  PackedMatrix(int64_t columns, int64_t depth, Storage storage);

  int64_t columns() const { return columns_; }
  int64_t depth() const { return depth_; }
  int64_t panels() const { return PadToPanel(columns_) / kPanelColumns; }
  int64_t bytes() const { return static_cast<int64_t>(buffer_.size()); }
  Storage storage() const { return storage_; }

  // Fills columns 16 panel .. 16 panel + count - 1 (count <= 16) from `count` rows of `values`
  // numbers, row i at rows + i * ld; entries values .. depth - 1 stay zero. bf16 rounds to nearest
  // even. Different panels may be filled in parallel.
  void PackPanel(int64_t panel, const float* rows, int64_t ld, int64_t count, int64_t values);
  // out[0 .. depth) = the weights of one column: a row of the matrix before packing.
  void ReadColumn(int64_t column, float* out) const;
  const void* panel(int64_t index) const;

 private:
  // Where the weight of a panel's column is in the buffer, counted in numbers.
  int64_t IndexOf(int64_t panel, int64_t k, int64_t column) const;

  int64_t columns_ = 0;
  int64_t depth_ = 0;
  Storage storage_ = Storage::kFloat32;
  HugeBuffer buffer_;
};

// One product; c has room for whole panels: ldc >= PadToPanel(columns).
struct Product {
  const PackedMatrix* weights = nullptr;
  const float* a = nullptr;
  int64_t lda = 0;
  int64_t rows = 0;
  float* c = nullptr;
  int64_t ldc = 0;
  TileMode mode = TileMode::kStore;
  // [PadToPanel(columns)], added to every row of c once its products are whole; the order is that
  // of the packed columns, hence of 16 gates and 16 ups in turn where those alternate. Null: none.
  const float* bias = nullptr;
  // When set: panels alternate 16 gates and 16 ups, and gated_out[rows, ld_gated] = unit(gate, up).
  float* gated_out = nullptr;
  int64_t ld_gated = 0;
  GatedUnit unit = GatedUnit::kSwiGlu;
};

// std::invalid_argument for a leading dimension that does not hold its row.
void Multiply(ThreadPool& pool, const Ops& ops, const Product& product);

// `count` products of the same shape, whose matrices of whole panels lie side by side in the
// weights: number i multiplies a + i * a_stride into c + i * c_stride. Each c has room for its
// whole panels, and none reaches into another.
struct Copies {
  int64_t count = 0;
  int64_t a_stride = 0;
  int64_t c_stride = 0;
};
// std::invalid_argument for weights that are not `count` matrices of whole panels, or rows of a or
// c that are too short.
void MultiplyCopies(ThreadPool& pool, const Ops& ops, const Product& product, const Copies& copies);

// A part of a product, on the calling thread.
struct ProductPart {
  int64_t row_begin, row_end;
  int64_t panel_begin, panel_end;  // of the weights; even numbers with gated_out
  int64_t first_panel = 0;         // the weights' panel that is c's column 0
};
void MultiplyPart(const Ops& ops, const Product& product, const ProductPart& part);

}  // namespace cohort::kernels
