#pragma once

// Numbers that are written as words.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward::math {

// "forty-two" is 42; up to 999,999,999. nullopt for other words.
std::optional<int64_t> NumberInWords(std::string_view text);

// Words for a value as the LaTeX that means the same: cardinals, ordinals ("3rd", "third"),
// fractions ("two thirds", "one and a half"), a number in both forms ("forty-two (42)"), Chinese
// numerals ("十二", "三分之一"). nullopt for other texts, digits alone among them.
std::optional<std::string> NumberPhrase(std::string_view text);

// "3 to 4" as the ratio 3:4, "1 in 4" and "1 out of 4" as the fraction, "4 choose 2" as the
// binomial coefficient; of digits or of words.
std::optional<std::string> RatioPhrase(std::string_view text);

}  // namespace cohort::reward::math
