#pragma once

// The tokens that LaTeX macros and plain words stand for.

#include <optional>
#include <string_view>

#include "reward/math/parse/token.h"

namespace cohort::reward::math {

struct Meaning {
  Tok kind;
  uint8_t id = 0;
  std::string_view text = {};
};

// `name` has no backslash. nullopt for an unknown macro.
std::optional<Meaning> MacroMeaning(std::string_view name);

// A word outside of LaTeX macros: "sin", "sqrt", "pi", "or". nullopt for plain letters.
std::optional<Meaning> WordMeaning(std::string_view word);

}  // namespace cohort::reward::math
