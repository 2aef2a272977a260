#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward {

// A decimal number of any length, compared exactly: 0.1 + 0.2's double is not 0.3, and a 20-digit
// answer must not equal its neighbour.
struct Decimal {
  bool negative = false;
  std::string digits;    // no leading or trailing zeros; empty for zero
  int64_t exponent = 0;  // the value is 0.digits * 10^exponent; 0 for zero

  bool operator==(const Decimal&) const = default;
};

// [+-] digits [. digits] [e [+-] digits], at least one digit before or after the point. nullopt
// otherwise, and for exponents of more than 6 digits.
std::optional<Decimal> ParseDecimal(std::string_view text);

}  // namespace cohort::reward
