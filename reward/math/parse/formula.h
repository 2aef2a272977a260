#pragma once

// One answer as an expression. Recursive descent with bounded depth; a text that is not wholly
// understood has no parse, so that no part of it can be compared by accident.

#include <string_view>

#include "reward/math/algebra/expression.h"
#include "reward/math/parse/lexer.h"

namespace cohort::reward::math {

// kNoNode when the text is no complete formula. Words are kText nodes, alone or in lists; no words
// are dropped but a unit behind a value, which is kept in its kQuantity.
NodeId ParseFormula(std::string_view text, const LexerOptions& options, Arena* arena);

// The text without the blanks, full stops, dollars, asterisks and fonts around it.
std::string_view BareAnswer(std::string_view text);

// Whether the bare text is a formula as a whole, and not words alone.
bool IsFormulaText(std::string_view text);

}  // namespace cohort::reward::math
