#pragma once

// Answers that are a few letters and nothing else: a word ("no", "Tom"), a row of letters ("SSA",
// "HTH"), or a product of variables ("xy").

#include <optional>
#include <string_view>

namespace cohort::reward::math {

// Whether two runs of letters are one answer; nullopt where both are products of variables, whose
// order says nothing. A run is a word when it is a known short one, a name in title case, a Roman
// numeral in i, v and x, or repeats a letter (a product would have a power): words compare without
// case, letter by letter. Of capitals alone, the order counts as well.
std::optional<bool> SameLetterRun(std::string_view a, std::string_view b);

}  // namespace cohort::reward::math
