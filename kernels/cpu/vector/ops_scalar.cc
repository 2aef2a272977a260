#include "kernels/cpu/adamw.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/vector/adamw_loops.h"
#include "kernels/cpu/vector/row_ops.h"
#include "kernels/cpu/vector/vector_scalar.h"

namespace cohort::kernels {

const Ops& ScalarOps() {
  static constexpr Ops kOps = MakeOps<ScalarVector>(Isa::kScalar);
  return kOps;
}

const AdamWLoops& ScalarAdamW() {
  static constexpr AdamWLoops kLoops = MakeAdamWLoops<ScalarVector>();
  return kLoops;
}

}  // namespace cohort::kernels
