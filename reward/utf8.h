#pragma once

#include <string>
#include <string_view>

namespace cohort::reward {

bool IsValidUtf8(std::string_view text);

// The text with every byte that is not part of a well-formed sequence replaced by U+FFFD.
std::string ValidUtf8(std::string_view text);

}  // namespace cohort::reward
