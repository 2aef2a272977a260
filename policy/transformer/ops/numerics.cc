#include "policy/transformer/ops/numerics.h"

#include <utility>

#include "kernels/cpu/bf16_products.h"

namespace cohort::policy {
namespace {

thread_local kernels::Numerics current = kernels::Numerics::kFloat32;

}  // namespace

kernels::Numerics ProductNumerics() { return current; }

kernels::Numerics HigherNumerics(kernels::Numerics numerics) {
  return numerics == kernels::Numerics::kFp8Blocks ? kernels::ThisBf16Products().numerics
                                                   : numerics;
}

NumericsScope::NumericsScope(kernels::Numerics numerics)
    : outer_(std::exchange(current, numerics)) {}

NumericsScope::~NumericsScope() { current = outer_; }

}  // namespace cohort::policy
