#include "kernels/cpu/isa.h"
#include "kernels/cpu/vector/row_ops.h"
#include "kernels/cpu/vector/vector_scalar.h"

namespace cohort::kernels {

const Ops& ScalarOps() {
  static constexpr Ops kOps = MakeOps<ScalarVector>(Isa::kScalar);
  return kOps;
}

}  // namespace cohort::kernels
