#pragma once

// The answer within a sentence: formulas between dollars or \( \), else numbers.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cohort::reward::math {

struct Formula {
  size_t begin;  // of the opening delimiter
  size_t end;    // behind the closing one
  std::string_view body;
};

// Formulas between $ $, $$ $$, \( \) and \[ \], in order. Linear time.
std::vector<Formula> FormulasIn(std::string_view text);

// The last formula of a text, or the last number behind it; formulas joined by commas, "and" or
// "or" are one list. A formula that is one letter gives way to a number.
std::optional<std::string> LastFormulaOrNumber(std::string_view text);

// Whether plain words stand around the mathematics: "so x = 5", not "5 cm" or "x = 2 or x = 3".
bool IsSentence(std::string_view text);

// The last option letter that stands alone.
std::optional<std::string> LastOption(std::string_view text);

}  // namespace cohort::reward::math
