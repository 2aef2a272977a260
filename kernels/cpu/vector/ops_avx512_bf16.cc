#include "kernels/cpu/isa.h"

#if defined(__AVX512BF16__)

#include "kernels/cpu/vector/pair_tile.h"
#include "kernels/cpu/vector/vector_avx512.h"

namespace cohort::kernels {
namespace {

// The instruction that the class is named after.
struct DotInstruction {
  using A = uint32_t;
  using W = uint32_t;
  static constexpr int64_t kChainSteps = kChainTerms / 2;

  static __m512i Broadcast(uint32_t a) { return _mm512_set1_epi32(static_cast<int>(a)); }
  static __m512i Load(const uint32_t* w) { return _mm512_loadu_si512(w); }
  static Avx512Vector Accumulate(__m512i a, __m512i w, Avx512Vector sum) {
    return {_mm512_dpbf16_ps(sum.v, std::bit_cast<__m512bh>(a), std::bit_cast<__m512bh>(w))};
  }
};

}  // namespace

// All else is the set of AVX-512.
const Ops* Avx512Bf16Ops() {
  static const Ops kOps = [] {
    Ops ops = *Avx512Ops();
    ops.isa = Isa::kAvx512Bf16;
    ops.gemm_pairs = &PairTiles<Avx512Vector, DotInstruction>;
    return ops;
  }();
  return &kOps;
}

}  // namespace cohort::kernels

#else

namespace cohort::kernels {

const Ops* Avx512Bf16Ops() { return nullptr; }

}  // namespace cohort::kernels

#endif
