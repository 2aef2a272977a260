#include "policy/transformer/ops/numerics.h"

#include <utility>

namespace cohort::policy {
namespace {

thread_local kernels::Numerics current = kernels::Numerics::kFloat32;

}  // namespace

kernels::Numerics ProductNumerics() { return current; }

kernels::Numerics HigherNumerics(kernels::Numerics numerics) {
  return numerics == kernels::Numerics::kFp8Blocks ? kernels::Numerics::kBf16Dot : numerics;
}

NumericsScope::NumericsScope(kernels::Numerics numerics)
    : outer_(std::exchange(current, numerics)) {}

NumericsScope::~NumericsScope() { current = outer_; }

}  // namespace cohort::policy
