#pragma once

// Chinese in answers: numerals, units, and the words that join values.

#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward::math {

// Whether a Han character begins at the front of the text.
bool StartsWithHan(std::string_view text);

// A run of Han characters beside mathematics as LaTeX: units as \text{ cm^2}, 万 as a power of ten,
// 或 as "or"; what is not known stays as \text{...}.
std::string HanToLatex(std::string_view run);

// "十二" as 12, "负三" as -(3), "三点一四" as 3.14, "三分之一" as \frac{1}{3}, "百分之五" as 5\%,
// "一半" as a half, "十五个" as 15; nullopt for other texts.
std::optional<std::string> HanNumber(std::string_view text);

}  // namespace cohort::reward::math
