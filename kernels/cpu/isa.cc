#include "kernels/cpu/isa.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels/cpu/adamw.h"
#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/delta_scan.h"

namespace cohort::kernels {

namespace {

bool CpuHas(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::kAmx) return CpuHas(Isa::kAvx512Bf16) && AmxRefusal(ThisAmxSystem()).empty();
  if (isa == Isa::kAvx512Bf16) return CpuHas(Isa::kAvx512) && __builtin_cpu_supports("avx512bf16");
  if (isa == Isa::kAvx512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("fma");
  }
#endif
  return isa == Isa::kScalar;
}

// Null where it is not compiled in or the CPU lacks it, whose instructions its function may use.
const Ops* Available(Isa isa) {
  if (!CpuHas(isa)) return nullptr;
  switch (isa) {
    case Isa::kScalar:
      return &ScalarOps();
    case Isa::kAvx2:
      return Avx2Ops();
    case Isa::kAvx512:
      return Avx512Ops();
    case Isa::kAvx512Bf16:
      return Avx512Bf16Ops();
    case Isa::kAmx:
      return AmxOps();
  }
  return nullptr;
}

// Values in (-3, 3) that fill the mantissa; a fixed linear congruence, so that every run probes the
// same.
std::vector<float> ProbeValues(size_t count, uint32_t state) {
  std::vector<float> values(count);
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int32_t>(state)) * (3.0f / 2147483648.0f);
  }
  return values;
}

// Sums over more than one chain: of products, in lanes, and a chain that goes on.
std::vector<float> ProbeLongSums(const Ops& ops) {
  constexpr int64_t kRows = 5, kDepth = kChainTerms + 45, kPanels = 3, kColumns = kPanels * 16;
  const std::vector<float> a = ProbeValues(kRows * kDepth, 6),
                           w = ProbeValues(kDepth * kColumns, 7);
  std::vector<float> all;
  for (const TileMode mode :
       {TileMode::kStore, TileMode::kContinue, TileMode::kAdd, TileMode::kExtend}) {
    std::vector<float> c = ProbeValues(kRows * kColumns, 8);
    ops.gemm_float({a.data(), kDepth, kRows, w.data(), kDepth * 16, kPanels,
                    mode == TileMode::kExtend ? 45 : kDepth, c.data(), kColumns, mode});
    all.insert(all.end(), c.begin(), c.end());
  }
  constexpr int64_t kLong = kRowBlock + 45;
  std::vector<float> x = ProbeValues(kLong, 9), y = ProbeValues(kLong, 10), out(kLong), slope = y;
  ops.rms_norm(x.data(), y.data(), 1e-5f, kLong, out.data());
  all.push_back(out[0]);
  ops.rms_norm_gradient(x.data(), y.data(), y.data(), 1e-5f, kLong, out.data(), slope.data());
  all.push_back(out[0]);
  float sum, weighted_sum;
  ops.softmax_sums(x.data(), 0.7f, 3.0f, kLong, &sum, &weighted_sum);
  all.insert(all.end(), {sum, weighted_sum, ops.exp_scaled(x.data(), 0.7f, 3.0f, kLong, nullptr)});
  const SoftmaxSum softmax = ops.softmax_exp(x.data(), 0.7f, 1.9f, kLong);
  all.insert(all.end(), {softmax.sink, softmax.total});
  all.push_back(ops.softmax_gradient(x.data(), y.data(), all.back(), 0.6f, kLong));
  all.push_back(y[0]);
  return all;
}

// Products of pairs, over more than one chain, a chain that goes on, and values of every size: what
// is rounded, too small, infinite or no number.
std::vector<float> ProbePairs(const Ops& ops) {
  constexpr int64_t kRows = 13, kPairs = kChainTerms / 2 + 45, kPanels = 11, kShort = 21;
  constexpr int64_t kColumns = kPanels * 16;
  std::vector<float> values = ProbeValues(2 * kPairs * kColumns, 17), all;
  for (size_t i = 0; i < values.size(); i += 7) values[i] = std::ldexp(values[i], i % 250 - 125);
  std::vector<uint32_t> a(kRows * kPairs), w(kPairs * kColumns);
  ops.round_pairs(values.data(), values.data() + 5, std::ssize(a), a.data());
  ops.round_pairs(values.data() + 3, values.data() + w.size(), std::ssize(w), w.data());
  const auto multiply = [&](int64_t rows, int64_t panels, int64_t pairs, TileMode mode) {
    std::vector<float> c = ProbeValues(rows * kColumns, 8);
    ops.gemm_pairs(
        {a.data(), kPairs, rows, w.data(), kPairs * 16, panels, pairs, c.data(), kColumns, mode});
    all.insert(all.end(), c.begin(), c.end());
  };
  for (const TileMode mode :
       {TileMode::kStore, TileMode::kContinue, TileMode::kAdd, TileMode::kExtend}) {
    multiply(5, 3, mode == TileMode::kExtend ? 45 : kPairs, mode);
  }
  for (int64_t rows = 1; rows <= kRows; ++rows) {
    multiply(rows, kPanels, kShort, rows % 2 == 0 ? TileMode::kStore : TileMode::kAdd);
  }
  const std::vector<float> odd = {NAN, INFINITY, -INFINITY, 1e-39f, -1e-39f, 3.4e38f, 1.00390625f};
  uint16_t halves[16] = {};
  ops.round_bf16(odd.data(), std::ssize(odd), halves);
  for (const uint16_t half : halves) all.push_back(half);
  return all;
}

// Products of the class kBf16Amx: one tile of rows and two, panels left over, more blocks than are
// taken at once, sums that go on, and products too small for fp32; nothing overflows.
std::vector<float> ProbeAmx(const Ops& ops) {
  constexpr int64_t kRows = 35, kPairs = 272, kPanels = 7, kColumns = kPanels * 16;
  std::vector<float> values = ProbeValues(2 * kPairs * kColumns, 19), all;
  for (size_t i = 0; i < values.size(); i += 3) {
    values[i] = std::ldexp(values[i], static_cast<int>(i % 130) - 70);
  }
  std::vector<uint32_t> a(kRows * kPairs), w(kPairs * kColumns);
  ops.round_pairs(values.data(), values.data() + 5, std::ssize(a), a.data());
  ops.round_pairs(values.data() + 3, values.data() + w.size(), std::ssize(w), w.data());
  const auto multiply = [&](int64_t rows, int64_t panels, int64_t pairs, TileMode mode) {
    std::vector<float> c = ProbeValues(rows * kColumns, 8);
    ops.gemm_amx(
        {a.data(), kPairs, rows, w.data(), kPairs * 16, panels, pairs, c.data(), kColumns, mode});
    all.insert(all.end(), c.begin(), c.end());
  };
  multiply(1, kPanels, 16, TileMode::kStore);
  multiply(2, 1, kPairs, TileMode::kContinue);
  multiply(16, 2, 32, TileMode::kAdd);
  multiply(kRows, 3, 32, TileMode::kContinue);
  multiply(3, 1, kPairs, TileMode::kAdd);
  return all;
}

// Quantised rows with a short tail, of values that are rounded, too small, too large or no number.
std::vector<float> ProbeE4m3(const Ops& ops) {
  constexpr int64_t kCount = 93;
  std::vector<float> x = ProbeValues(96, 19), y = ProbeValues(96, 20), all;
  for (size_t i = 0; i < x.size(); i += 5) x[i] = std::ldexp(x[i], static_cast<int>(i % 50) - 30);
  all.push_back(ops.largest_magnitude(x.data(), kCount));
  x[3] = NAN;
  x[4] = 1e30f;
  x[5] = -INFINITY;
  uint16_t halves[96] = {};
  for (const float scale : {0.01f, 1.0f, 3.0f}) {
    ops.quantize_e4m3(x.data(), scale, kCount, halves);
    for (const uint16_t half : halves) all.push_back(half);
  }
  ops.multiply_add_scaled(0.3f, x.data() + 8, y.data(), 85, y.data() + 8);
  all.insert(all.end(), y.begin(), y.end());
  return all;
}

// Every unit within its bounds and beyond them, and its gradients, with a short tail.
std::vector<float> ProbeGatedUnits(const Ops& ops) {
  constexpr int64_t kShort = 45;
  std::vector<float> gates = ProbeValues(96, 11), ups = ProbeValues(96, 12), all;
  ops.scale(4.0f, 96, gates.data());
  ops.scale(4.0f, 96, ups.data());
  for (const GatedUnit unit : {GatedUnit::kSwiGlu, GatedUnit::kGeGlu, GatedUnit::kClampedSwiGlu}) {
    const GatedRow row{unit, gates.data(), ups.data(), kShort};
    std::vector<float> out(96), d_gate(96), d_up(96);
    ops.gated_unit({unit, gates.data(), gates.data() + 16, kShort, 32}, out.data() + 48);
    ops.gated_unit(row, out.data());
    ops.gated_unit_gradient(row, out.data(), d_gate.data(), d_up.data());
    for (const auto* values : {&out, &d_gate, &d_up}) {
      all.insert(all.end(), values->begin(), values->end());
    }
  }
  return all;
}

// A state whose key_dim is no multiple of the chains, and fewer columns than lanes.
std::vector<float> ProbeRecurrence(const Ops& ops) {
  constexpr int64_t kTokens = 3, kKeys = 22, kColumns = 13, kChannels = 45, kWidth = 4;
  const std::vector<float> q = ProbeValues(kTokens * kKeys, 11), k = ProbeValues(q.size(), 12),
                           v = ProbeValues(kTokens * kColumns, 13),
                           gates = ProbeValues(kTokens, 14), x = ProbeValues(400, 15);
  std::vector<float> all(2 * kTokens * kColumns + kChannels), state = ProbeValues(kKeys * 16, 16);
  ops.delta_scan({q.data(), k.data(), kKeys, v.data(), kColumns, gates.data(), gates.data(), 1,
                  kTokens, kKeys, kColumns, state.data(), all.data(), kColumns,
                  all.data() + kTokens * kColumns});
  const float* rows[kWidth] = {x.data(), x.data() + 50, x.data() + 100, x.data() + 150};
  ops.conv_silu(rows, x.data() + 200, kWidth, kChannels, all.data() + 2 * kTokens * kColumns);
  all.insert(all.end(), state.begin(), state.end());
  return all;
}

// A step of the optimizer with a short tail, its moments in fp32 and in bf16.
std::vector<float> ProbeAdamW(const Ops& ops) {
  constexpr int64_t kCount = 93;
  std::vector<float> all;
  for (const bool bf16 : {false, true}) {
    std::vector<float> parameter = ProbeValues(96, 17), gradient = ProbeValues(96, 18), exp_avg(96),
                       exp_avg_sq(96);
    const AdamWTensor tensor{
        parameter.data(), gradient.data(), exp_avg.data(), exp_avg_sq.data(), kCount, 128, 0.1};
    AdamWRule rule{.gradient_scale = 0.7, .learning_rate = 0.01, .bf16_moments = bf16};
    for (rule.step = 1; rule.step <= 2; ++rule.step) {
      StepAdamW({&tensor, 1}, rule, ops, [](int64_t n, const auto& task) {
        for (int64_t i = 0; i < n; ++i) task(i);
      });
    }
    for (const auto* values : {&parameter, &exp_avg, &exp_avg_sq}) {
      all.insert(all.end(), values->begin(), values->end());
    }
  }
  return all;
}

// Every output of every operation, in one row, on shapes with short tails, and long sums.
std::vector<float> ProbeOutputs(const Ops& ops) {
  constexpr int64_t kRows = 13, kDepth = 37, kPanels = 11, kColumns = kPanels * 16, kShort = 45;
  const std::vector<float> a = ProbeValues(kRows * kDepth, 1),
                           w = ProbeValues(kDepth * kColumns, 2);
  std::vector<uint16_t> halves(w.size());
  for (size_t i = 0; i < w.size(); ++i)
    std::memcpy(&halves[i], reinterpret_cast<const char*>(&w[i]) + 2, 2);
  std::vector<float> all = ProbeLongSums(ops);
  const auto keep = [&](const std::vector<float>& out) {
    all.insert(all.end(), out.begin(), out.end());
  };
  keep(ProbeGatedUnits(ops));
  keep(ProbePairs(ops));
  keep(ProbeAmx(ops));
  keep(ProbeE4m3(ops));
  for (int64_t rows = 1; rows <= kRows; ++rows) {
    for (const TileMode mode : {TileMode::kStore, TileMode::kContinue, TileMode::kAdd}) {
      std::vector<float> c = ProbeValues(rows * kColumns, 3);
      TileArgs args{a.data(), kDepth, rows,     w.data(), kDepth * 16,
                    kPanels,  kDepth, c.data(), kColumns, mode};
      ops.gemm_float(args);
      args.panels = halves.data();
      keep(c);
      ops.gemm_bf16(args);
      keep(c);
    }
  }
  constexpr int64_t kTokens = 15;
  for (int64_t rows = 1; rows <= kRows; ++rows) {
    std::vector<float> c(static_cast<size_t>(rows * kTokens));
    ops.dot({w.data(), 32, rows, w.data() + 7, kTokens * 16, 2, kTokens, c.data(), kTokens});
    keep(c);
  }
  std::vector<float> x = ProbeValues(96, 4), y = ProbeValues(96, 5), out(96);
  ops.rms_norm(x.data(), y.data(), 1e-5f, kShort, out.data());
  keep(out);
  ops.sigmoid(x.data(), kShort, out.data());
  keep(out);
  std::vector<float> other = x;
  ops.rms_norm_gradient(x.data(), y.data(), out.data(), 1e-5f, kShort, other.data(), out.data());
  keep(other);
  keep(out);
  const float max = ops.max_scaled(x.data(), 0.7f, kShort);
  const float sum = ops.exp_scaled(x.data(), 0.7f, max, kShort, out.data());
  keep(out);
  float softmax_sum, weighted_sum;
  ops.softmax_sums(x.data(), 0.7f, max, kShort, &softmax_sum, &weighted_sum);
  keep({softmax_sum, weighted_sum});
  ops.softmax_times(x.data(), 0.7f, max, -0.4f, kShort, out.data());
  keep(out);
  ops.rope(out.data(), x.data(), y.data(), kShort);
  ops.multiply_add(0.3f, x.data(), kShort, out.data());
  ops.add(y.data(), kShort, out.data());
  ops.scale(1.7f, kShort, out.data());
  keep(out);
  const float total = ops.softmax_exp(y.data(), 9.5f, -INFINITY, kShort).total;
  keep(y);
  ops.softmax_gradient(y.data(), x.data(), total, 0.6f, kShort);
  keep(y);
  keep(x);
  ops.soft_cap(x.data(), 1.3f, 0.8f, kShort);
  keep(x);
  ops.soft_cap_gradient(x.data(), 0.8f, kShort, out.data());
  keep(out);
  keep({max, sum, total});
  keep(ProbeRecurrence(ops));
  keep(ProbeAdamW(ops));
  return all;
}

// Seconds of a product of pairs in the L1 cache, the best of several.
double PairSeconds(const Ops& ops, Numerics numerics) {
  constexpr int64_t kRows = 24, kPairs = 128, kPanels = 2;
  const std::vector<uint32_t> a(kRows * kPairs, 0x3f803f80u), w(kPairs * kPanels * 16, 0x3f003f00u);
  std::vector<float> c(kRows * kPanels * 16);
  double best = 1e30;
  for (int i = 0; i < 20; ++i) {
    const auto start = std::chrono::steady_clock::now();
    PairProduct(ops, numerics)({a.data(), kPairs, kRows, w.data(), kPairs * 16, kPanels, kPairs,
                                c.data(), kPanels * 16, TileMode::kStore});
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::min(best, taken.count());
  }
  return best;
}

// Some CPUs have the instruction of kBf16Dot at half the rate of the multiply-adds that it stands
// for, so that it is timed.
const Ops* ChooseSet() {
  for (const Isa isa : {Isa::kAvx512Bf16, Isa::kAvx512, Isa::kAvx2}) {
    const Ops* ops = Available(isa);
    if (ops == nullptr) continue;
    if (isa == Isa::kAvx512Bf16 && PairSeconds(*ops, Numerics::kBf16Dot) >
                                       PairSeconds(*Available(Isa::kAvx512), Numerics::kBf16Dot)) {
      continue;
    }
    if (GivesSameBits(*ops, ScalarOps())) return ops;
  }
  return &ScalarOps();
}

struct ChosenOps {
  Ops ops;
  Bf16Products bf16;
};

// AMX joins the best of the other sets: where VDPBF16PS is slow, it stays unused.
const ChosenOps& ThisMachine() {
  static const ChosenOps kChosen = [] {
    ChosenOps chosen{*ChooseSet(), {}};
    const Ops* amx = CpuHas(Isa::kAvx512Bf16) ? AmxOps() : nullptr;
    chosen.bf16 = ChooseBf16Products(ThisAmxSystem(), amx, {chosen.ops, ScalarOps(), &PairSeconds});
    if (chosen.bf16.on_tiles) {
      chosen.ops.isa = Isa::kAmx;
      chosen.ops.gemm_amx = amx->gemm_amx;
    }
    return chosen;
  }();
  return kChosen;
}

}  // namespace

bool GivesSameBits(const Ops& ops, const Ops& reference) {
  const std::vector<float> left = ProbeOutputs(ops), right = ProbeOutputs(reference);
  return std::memcmp(left.data(), right.data(), left.size() * sizeof(float)) == 0;
}

bool GivesSameAmxBits(const Ops& ops, const Ops& reference) {
  const std::vector<float> left = ProbeAmx(ops), right = ProbeAmx(reference);
  return std::memcmp(left.data(), right.data(), left.size() * sizeof(float)) == 0;
}

const Ops& BestOps() { return ThisMachine().ops; }

const Bf16Products& ThisBf16Products() { return ThisMachine().bf16; }

const Ops& OpsFor(Isa isa) {
  const Ops* ops = Available(isa);
  if (ops == nullptr) {
    throw std::invalid_argument(std::string("this CPU has no ") + IsaName(isa));
  }
  return *ops;
}

std::vector<Isa> AvailableIsas() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx}) {
    if (Available(isa) != nullptr) isas.push_back(isa);
  }
  return isas;
}

const char* IsaName(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "AVX2";
    case Isa::kAvx512:
      return "AVX-512";
    case Isa::kAvx512Bf16:
      return "AVX-512 with BF16";
    case Isa::kAmx:
      return "AVX-512 with AMX";
  }
  return "unknown";
}

const char* NumericsName(Numerics numerics) {
  switch (numerics) {
    case Numerics::kFloat32:
      return "fp32";
    case Numerics::kBf16Dot:
      return "bf16-dot";
    case Numerics::kBf16Amx:
      return "bf16-amx";
    case Numerics::kFp8Blocks:
      return "fp8-blocks";
  }
  return "unknown";
}

}  // namespace cohort::kernels
