#pragma once

// The inner loops, one set for each instruction set: plain C++ (the reference), AVX2, AVX-512. All
// sets give the same bits, since the order of every sum is fixed. One chain over a great depth
// would lose digits with every rounding, so a sum is cut into blocks of kChainTerms terms, from
// index 0 on. Block b is a chain from 0 over its terms in ascending order, with the result s_b;
// these are added in ascending order too: ((s_0 + s_1) + s_2) + .. A product's terms are fused
// multiply-adds over k. A sum over a row runs in 16 lanes (element i in lane i % 16), each a sum of
// blocks; the lanes are then added in pairs (i, i + 8), (i, i + 4), (i, i + 2), (i, i + 1).
//
// There are four classes of products. In one ("fp32") the operands are fp32 (or weights that are
// bf16 in memory). In two both are bf16, and denormals are zeros, in operands and sums:
// - "bf16-dot": a chain takes terms 2 i and 2 i + 1 in one step, the odd one first:
//   fma(a_even, w_even, fma(a_odd, w_odd, s)), as the instruction VDPBF16PS does.
// - "bf16-amx": a block has 32 terms, the last one completed by zeros. Its even terms are a chain
//   from 0, its odd ones another, s_b is the one plus the other, and blocks are added to 0 in
//   ascending order: ((0 + s_0) + s_1) + .. Each s_b is what the instruction TDPBF16PS adds to a
//   tile (Intel's manual, volume 2: temp1), so that a tile holds the sum of the blocks so far.
// The fourth, "fp8-blocks", is fp8_product.h's.
//
// No checks here: gemm.h, attention.h, moe.h and the rollout room call these with shapes they
// checked.

#include <cstdint>
#include <vector>

#include "kernels/cpu/gated_unit.h"

namespace cohort::kernels {

enum class Isa { kScalar, kAvx2, kAvx512, kAvx512Bf16, kAmx };

// The classes of products; each has bits of its own.
enum class Numerics { kFloat32, kBf16Dot, kBf16Amx, kFp8Blocks };
// Depths are completed by zeros to a multiple of so many terms.
constexpr int64_t DepthUnit(Numerics numerics) {
  return numerics == Numerics::kBf16Amx ? 32 : numerics == Numerics::kBf16Dot ? 2 : 1;
}

constexpr int64_t kChainTerms = 256;
// Elements of a row whose sum is one chain in each lane.
constexpr int64_t kRowBlock = 16 * kChainTerms;
// Of a softmax over the vocabulary: sums over so many logits in fp32, which are added in fp64, so
// that a draw finds its part of the vocabulary first.
constexpr int64_t kLogitsAtOnce = 256;

// c and s_0, s_1, ..: the sums of the blocks of a b.
enum class TileMode {
  kStore,     // c = (s_0 + s_1) + ..
  kContinue,  // c = ((c + s_0) + s_1) + ..: c holds the sum of the blocks before these
  kAdd,       // c = c + ((s_0 + s_1) + ..): one addition at the end (a residual)
  kExtend,    // c, a part of a block, goes on: the chain starts from c, and k ends with the block
};

// c[rows, 16 * num_panels] from a[rows, k] and panels of 16 columns: element (kk, column) of panel
// p is at panels[p * panel_stride + kk * 16 + column]. Every c element of a panel is written, so
// ldc has room. An element of gemm_pairs and gemm_amx, of a as of the panels, is a pair of bf16
// numbers (the even one in the lower half), and k, lda and panel_stride count pairs. gemm_amx wants
// whole blocks, k a multiple of 16, which have no parts: no kExtend.
struct TileArgs {
  const void* a;  // float; uint32_t holding a pair
  int64_t lda;
  int64_t rows;
  const void* panels;  // float; uint16_t holding bf16; uint32_t holding a pair
  int64_t panel_stride;
  int64_t num_panels;
  int64_t k;
  float* c;
  int64_t ldc;
  TileMode mode;
};

// c[rows, tokens] from a[rows, 16 * num_panels] and tokens of as many numbers: number 16 p + i of a
// token is at panels[p * panel_stride + token * 16 + i]. Each c element is a sum in lanes.
struct DotArgs {
  const float* a;
  int64_t lda;
  int64_t rows;
  const float* panels;
  int64_t panel_stride;
  int64_t num_panels;
  int64_t tokens;
  float* c;
  int64_t ldc;
};

// Gates and ups of one row. Number i is at [i / 16 * step + i % 16] of each: step 16 for plain
// rows, 32 where panels of 16 gates and 16 ups take turns.
struct GatedRow {
  GatedUnit unit;
  const float* gate;
  const float* up;
  int64_t n;
  int64_t step = 16;
};

// Of the terms e^(x - max) of a softmax; `sink` is the sink's, which stands in `total` too.
struct SoftmaxSum {
  float total;
  float sink;
};

struct DeltaScanArgs;  // kernels/cpu/delta_scan.h

struct Ops {
  Isa isa;
  void (*gemm_float)(const TileArgs& args);
  void (*gemm_bf16)(const TileArgs& args);   // weights in bf16, of the class kFloat32
  void (*gemm_pairs)(const TileArgs& args);  // kBf16Dot
  void (*gemm_amx)(const TileArgs& args);    // kBf16Amx, of every set; on tiles where those exist
  // bf16 of n numbers: to nearest even; denormals become zeros.
  void (*round_bf16)(const float* x, int64_t n, uint16_t* out);
  // out[i] = the pair of even[i] and odd[i]
  void (*round_pairs)(const float* even, const float* odd, int64_t n, uint32_t* out);
  // max |x| of the numbers that are none left out; 0 where all are
  float (*largest_magnitude)(const float* x, int64_t n);
  // bf16 of the e4m3 number (e4m3.h) that is nearest to x / scale, with +0 for -0.
  void (*quantize_e4m3)(const float* x, float scale, int64_t n, uint16_t* out);
  // y = x * (w * scales) + y: the scale is rounded, then the sum
  void (*multiply_add_scaled)(float w, const float* scales, const float* x, int64_t n, float* y);
  void (*dot)(const DotArgs& args);
  // out = x / sqrt(mean(x^2) + eps) * weight; out may be x.
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t n, float* out);
  // Gradients of <rms_norm, gradient>: d_x is written, d_weight added to.
  void (*rms_norm_gradient)(const float* x, const float* weight, const float* gradient, float eps,
                            int64_t n, float* d_x, float* d_weight);
  // Pairs (i, i + half) of one head, in place: x[i] cos - x[i + half] sin, x[i + half] cos + x[i]
  // sin.
  void (*rope)(float* x, const float* cos, const float* sin, int64_t half);
  void (*gated_unit)(const GatedRow& row, float* out);
  // Gradients of <gated_unit, gradient>, written into plain rows.
  void (*gated_unit_gradient)(const GatedRow& row, const float* gradient, float* d_gate,
                              float* d_up);
  // out = 1 / (1 + exp(-x))
  void (*sigmoid)(const float* x, int64_t n, float* out);
  // In place: exp(x * scale - max), with the sum. `sink` is one more logit, without a scale or a
  // place in the row, that the maximum and the sum regard; -inf: none.
  SoftmaxSum (*softmax_exp)(float* x, float scale, float sink, int64_t n);
  // With p = e / sum: gradient = p (gradient - <p, gradient>) scale, and e = p. Returns
  // <p, gradient>.
  float (*softmax_gradient)(float* e, float* gradient, float sum, float scale, int64_t n);
  // In place: cap tanh(x scale / cap).
  void (*soft_cap)(float* x, float scale, float cap, int64_t n);
  // gradient = gradient (1 - (capped / cap)^2): of <capped, gradient> in the scaled x.
  void (*soft_cap_gradient)(const float* capped, float cap, int64_t n, float* gradient);
  // max(x / temperature); NaN where there is one.
  float (*max_scaled)(const float* x, float temperature, int64_t n);
  // out = exp(x / temperature - max), returns the sum; out may be null.
  float (*exp_scaled)(const float* x, float temperature, float max, int64_t n, float* out);
  // With z = x / temperature - max: the sums of e^z and of z e^z.
  void (*softmax_sums)(const float* x, float temperature, float max, int64_t n, float* sum,
                       float* weighted_sum);
  // out = w e^(x / temperature - max); out may be x.
  void (*softmax_times)(const float* x, float temperature, float max, float w, int64_t n,
                        float* out);
  // y = w * x + y, one rounding
  void (*multiply_add)(float w, const float* x, int64_t n, float* y);
  void (*add)(const float* x, int64_t n, float* y);  // y = y + x
  void (*scale)(float w, int64_t n, float* y);       // y = y * w
  void (*delta_scan)(const DeltaScanArgs& args);
  // out = silu(s) with the chain s = fma(rows[j], weight[j], s) over j < width, from 0; weight
  // [width, n].
  void (*conv_silu)(const float* const* rows, const float* weight, int64_t width, int64_t n,
                    float* out);
};

// The best set that this CPU has and that passes a start-up comparison with the scalar set. Chosen
// once.
const Ops& BestOps();
// Throws std::invalid_argument where the CPU lacks it.
const Ops& OpsFor(Isa isa);
std::vector<Isa> AvailableIsas();  // scalar first
const char* IsaName(Isa isa);
const char* NumericsName(Numerics numerics);  // "fp32", "bf16-dot" or "bf16-amx"
// Of a class whose operands are pairs.
inline auto PairProduct(const Ops& ops, Numerics numerics) {
  return numerics == Numerics::kBf16Amx ? ops.gemm_amx : ops.gemm_pairs;
}

}  // namespace cohort::kernels
