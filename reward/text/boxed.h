#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward {

// The content of the last non-empty \boxed{...} or \fbox{...} (braces balanced, \{ and \} aside);
// earlier ones beside it, or joined to it only by commas, "and" or "or", are put before it as one
// list: "2, 3". nullopt when there is none. Linear time at any depth.
std::optional<std::string> LastBoxed(std::string_view text);

}  // namespace cohort::reward
