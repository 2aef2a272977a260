#pragma once

#include <string>
#include <string_view>

namespace cohort::reward {

// The text with characters that differ from ASCII in looks alone as ASCII: digits of every script,
// full-width and mathematical letters, digits and signs, Roman numerals; marks that are not seen
// are dropped. Letters of other scripts, superscripts and the rest stay. Invalid bytes stay.
// Linear time.
std::string PlainCharacters(std::string_view text);

}  // namespace cohort::reward
