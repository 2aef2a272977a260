#include "kernels/cpu/adamw.h"
#include "kernels/cpu/isa.h"

#if defined(__AVX2__)

#include "kernels/cpu/vector/adamw_loops.h"
#include "kernels/cpu/vector/row_ops.h"
#include "kernels/cpu/vector/vector_avx2.h"

namespace cohort::kernels {

const Ops* Avx2Ops() {
  static constexpr Ops kOps = MakeOps<Avx2Vector>(Isa::kAvx2);
  return &kOps;
}

const AdamWLoops* Avx2AdamW() {
  static constexpr AdamWLoops kLoops = MakeAdamWLoops<Avx2Vector>();
  return &kLoops;
}

}  // namespace cohort::kernels

#else

namespace cohort::kernels {

const Ops* Avx2Ops() { return nullptr; }
const AdamWLoops* Avx2AdamW() { return nullptr; }

}  // namespace cohort::kernels

#endif
