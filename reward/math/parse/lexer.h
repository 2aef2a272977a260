#pragma once

// LaTeX and plain notation as one stream of tokens: layout dropped, Unicode mapped, thousands
// separators decided by their shape (1,234 and 1{,}234 and 1\,000; never "32, 349").

#include <string_view>
#include <vector>

#include "reward/math/parse/token.h"

namespace cohort::reward::math {

struct LexerOptions {
  // False: a plain comma always separates items ("1,234" is a list of two).
  bool comma_thousands = true;
  // True: letters behind a number are its unit ("5 m s^{-1}", "5\\frac{m}{s}"), for a text that is
  // held against a quantity.
  bool letters_are_units = false;
};

// Appends the tokens, closed by one kEnd. False when there are more than kMaxTokens; an unknown
// macro or character is a kUnknown token. Linear time.
bool Lex(std::string_view text, const LexerOptions& options, std::vector<MathToken>* tokens);

}  // namespace cohort::reward::math
