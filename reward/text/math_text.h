#pragma once

// Two spellings of one LaTeX answer as one text. This is text normalisation, in the line of the
// MATH dataset's is_equiv (Hendrycks et al., arXiv 2103.03874): no algebra is done.

#include <string>
#include <string_view>

namespace cohort::reward {

// Layout dropped (white space, \left, \displaystyle, $, degrees, a final point), \dfrac as \frac,
// braces put in \frac12, a/b of two integers as \frac{a}{b}, \text{...} as its letters.
std::string NormalizeMathText(std::string_view text);

// The same text, the same number ("1,234.0" and "1234", a percent sign aside), or the same value
// with the unit written on one side only ("5\text{ cm}" and "5").
bool SameMathText(std::string_view found, std::string_view gold);

}  // namespace cohort::reward
