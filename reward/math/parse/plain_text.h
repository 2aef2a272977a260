#pragma once

// Answers that are words.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward::math {

// The answer as its reader sees it: \text{...} and other fonts unwrapped, dollars and layout
// dropped, white space collapsed. Mathematics stays LaTeX.
std::string Unwrap(std::string_view text);

// Lower case, one blank between words, punctuation dropped but for what numbers need.
std::string Words(std::string_view text);

// The same words, up to case, punctuation, an article in front and the spellings of "no solution".
bool SameWords(std::string_view a, std::string_view b);

// Whether a text is prose and no formula that failed to parse.
bool IsProse(std::string_view text);

// "2A_16" is 42: a numeral with letters for digits and its base below. nullopt for other texts.
std::optional<int64_t> LetterNumeral(std::string_view text);

}  // namespace cohort::reward::math
