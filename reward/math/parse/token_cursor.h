#pragma once

// The tokens of one text and a place in them; what stands ahead, found without parsing it.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "reward/math/algebra/functions.h"
#include "reward/math/parse/token.h"

namespace cohort::reward::math {

class TokenCursor {
 protected:
  // `letters_are_units`: see LexerOptions. `tokens` end with one kEnd, and outlive the cursor.
  TokenCursor(std::vector<MathToken>* tokens, bool letters_are_units)
      : tokens_(*tokens), letters_are_units_(letters_are_units) {}

  const MathToken& Next(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool At(Tok kind) const { return Next().kind == kind; }
  bool Accept(Tok kind) {
    if (!At(kind)) return false;
    ++at_;
    return true;
  }

  // Both change the kind of tokens before the first is read.
  void MarkProse();
  void MarkAngles();

  bool AtItemEnd(size_t ahead = 0) const;
  bool NoteAhead() const;
  bool UnitAhead() const;
  bool UnitsToTheEnd() const;
  bool UnitFraction(size_t* end, std::string* unit) const;
  bool MinutesAt(size_t ahead) const {  // "min" is a unit as well as a function
    return Next(ahead).kind == Tok::kFunction &&
           Next(ahead).id == static_cast<uint8_t>(Function::kMin);
  }
  bool ExtremeAhead() const;
  bool ConditionAhead() const;
  bool ShortIndex(size_t ahead, std::string* text, size_t* width) const;
  std::optional<std::string> Differential() const;

  std::vector<MathToken>& tokens_;
  bool letters_are_units_;
  size_t at_ = 0;
};

}  // namespace cohort::reward::math
