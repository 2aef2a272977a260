#include "kernels/cpu/adamw.h"
#include "kernels/cpu/isa.h"

#if defined(__AVX512F__)

#include "kernels/cpu/vector/adamw_loops.h"
#include "kernels/cpu/vector/row_ops.h"
#include "kernels/cpu/vector/vector_avx512.h"

namespace cohort::kernels {

const Ops* Avx512Ops() {
  static constexpr Ops kOps = MakeOps<Avx512Vector>(Isa::kAvx512);
  return &kOps;
}

const AdamWLoops* Avx512AdamW() {
  static constexpr AdamWLoops kLoops = MakeAdamWLoops<Avx512Vector>();
  return &kLoops;
}

}  // namespace cohort::kernels

#else

namespace cohort::kernels {

const Ops* Avx512Ops() { return nullptr; }
const AdamWLoops* Avx512AdamW() { return nullptr; }

}  // namespace cohort::kernels

#endif
