#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cohort::reward {

// Runs of anything but ASCII white space.
std::vector<std::string_view> SplitWords(std::string_view text);

// NFKC with case folded (Unicode, utf8proc); invalid bytes become U+FFFD first. So "Ｆｕll" and
// "FULL" are one.
std::string FoldText(std::string_view text);

}  // namespace cohort::reward
