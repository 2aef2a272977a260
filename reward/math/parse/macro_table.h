#pragma once

// What LaTeX macros and plain words mean to the lexer.

#include <optional>
#include <string_view>

#include "reward/math/parse/token.h"

namespace cohort::reward::math {

struct Meaning {
  Tok kind;
  uint8_t id = 0;
  std::string_view text = {};
};

// By the macro's name without its backslash; nullopt for an unknown one.
std::optional<Meaning> MacroMeaning(std::string_view name);

// A word outside of LaTeX macros: "sin", "sqrt", "pi", "or". nullopt for plain letters.
std::optional<Meaning> WordMeaning(std::string_view word);

}  // namespace cohort::reward::math
