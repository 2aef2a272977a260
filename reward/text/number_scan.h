#pragma once

// Numbers in running text: signs, currency, thousands separators, decimals. Linear time.

#include <optional>
#include <string_view>

#include "reward/text/decimal.h"

namespace cohort::reward {

struct NumberInText {
  Decimal value;
  std::string_view text;  // as written, with its sign
  // The number is only a part of a value: the 4 of 3/4 and \frac{3}{4}, the 10 of 2^10, the 2 of
  // \sqrt{2}. It must not be taken for the whole.
  bool in_expression = false;
};

// The first number at or after `*position`; moves `*position` behind it. Exponents of units (m^2)
// are passed over.
std::optional<NumberInText> NextNumber(std::string_view text, size_t* position);

std::optional<NumberInText> LastNumber(std::string_view text);

// The number of a text that holds exactly one and no expression ("$1,234.", "18 apples").
std::optional<NumberInText> OnlyNumber(std::string_view text);

// The value of a text that is a number and nothing else, but for currency and percent signs.
std::optional<Decimal> WholeNumber(std::string_view text);

}  // namespace cohort::reward
