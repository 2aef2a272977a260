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

// The CPU's own conversions: they take denormals for zeros too.
struct RoundingVector : Avx512Vector {
  void StoreBf16(uint16_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        std::bit_cast<__m256i>(_mm512_cvtneps_pbh(v)));
  }
  static void StorePairs(RoundingVector even, RoundingVector odd, uint32_t* p) {
    const auto upper = std::bit_cast<__m256i>(_mm512_cvtneps_pbh(odd.v));
    const auto lower = std::bit_cast<__m256i>(_mm512_cvtneps_pbh(even.v));
    _mm512_storeu_si512(p, _mm512_or_si512(_mm512_slli_epi32(_mm512_cvtepu16_epi32(upper), 16),
                                           _mm512_cvtepu16_epi32(lower)));
  }
  static RoundingVector Load(const float* p) { return {Avx512Vector::Load(p)}; }
};

}  // namespace

// All else is the set of AVX-512.
const Ops* Avx512Bf16Ops() {
  static const Ops kOps = [] {
    Ops ops = *Avx512Ops();
    ops.isa = Isa::kAvx512Bf16;
    ops.gemm_pairs = &PairTiles<Avx512Vector, DotInstruction>;
    ops.round_bf16 = &RoundBf16<RoundingVector>;
    ops.round_pairs = &RoundPairs<RoundingVector>;
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
