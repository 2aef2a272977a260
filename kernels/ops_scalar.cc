#include "kernels/isa.h"
#include "kernels/row_ops.h"
#include "kernels/vector_scalar.h"

namespace cohort::kernels {

const Ops& ScalarOps() {
  static constexpr Ops kOps = MakeOps<ScalarVector>(Isa::kScalar);
  return kOps;
}

}  // namespace cohort::kernels
