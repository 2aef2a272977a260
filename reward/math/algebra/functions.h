#pragma once

#include <cstdint>

namespace cohort::reward::math {

// Functions with a name of their own. Logarithms: kLn natural, kLog of base 10 or of its second
// argument.
enum class Function : uint8_t {
  kSin,
  kCos,
  kTan,
  kCot,
  kSec,
  kCsc,
  kArcsin,
  kArccos,
  kArctan,
  kArccot,
  kArcsec,
  kArccsc,
  kSinh,
  kCosh,
  kTanh,
  kCoth,
  kSech,
  kCsch,
  kArsinh,
  kArcosh,
  kArtanh,
  kArcoth,
  kArsech,
  kArcsch,
  kExp,
  kLn,
  kLog,
  kAbs,
  kFloor,
  kCeiling,
  kSign,
  kGamma,
  kReal,
  kImaginaryPart,
  kArgument,
  kConjugate,
  kGcd,
  kLcm,
  kMax,
  kMin,
  kModulo,
  kBinomial,
  kDeterminant,
  kTranspose,
  kTrace,
  kDegree,
  // Written out by the parser: cos x + i sin x, and n! / (n - k)!.
  kCis,
  kPermutations,
};

inline bool IsTrigonometric(Function f) { return f <= Function::kCsc; }

// The inverse that "^{-1}" behind a function's name means; the function itself where none is.
inline Function Inverse(Function f) {
  const auto i = static_cast<uint8_t>(f);
  if (f <= Function::kCsc) return static_cast<Function>(i + 6);
  if (f >= Function::kSinh && f <= Function::kCsch) return static_cast<Function>(i + 6);
  return f;
}

}  // namespace cohort::reward::math
