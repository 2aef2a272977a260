#pragma once

// Values that are told in several units: "2 hours 30 minutes", "5 ft 3 in", "3 dollars and 50
// cents". Read as formulas they would be lists, or their last number alone.

#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward::math {

// Whether the whole text is two or more whole numbers, each with a known unit behind it.
bool IsCompoundQuantity(std::string_view text);

// The text in the last of its units, "150\text{ minutes}". nullopt for other texts, and where the
// units do not measure one thing, from large to small, each a multiple of the last.
std::optional<std::string> InOneUnit(std::string_view text);

}  // namespace cohort::reward::math
