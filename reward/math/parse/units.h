#pragma once

// Units behind a value. A known one has a dimension and a size, so that 5 m is 500 cm; any other
// word is a unit that only agrees with itself.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward::math {

// "cm", "hours", "dollars": two letters or more, singular or plural.
bool IsKnownUnit(std::string_view word);

// Whether words behind a value may be its unit: few, plain, and none that changes what is said
// ("or", "not", a number).
bool IsUnitText(std::string_view text);

struct Unit {
  std::string dimension;  // "length^2", or the unknown unit's words
  int64_t num = 1;        // its size in the dimension's base unit, num / den
  int64_t den = 1;
};

// "cm^2", "square meters", "m/s". nullopt for what says nothing ("units", "square units").
std::optional<Unit> ParseUnit(std::string_view text);

}  // namespace cohort::reward::math
