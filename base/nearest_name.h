#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cohort::base {

// The candidate with the smallest edit distance to `name`, or "" when none is within a third of its
// length (a wild guess helps nobody).
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

// "a, b, c": the names that a message offers.
std::string CommaSeparated(const std::vector<std::string>& names);

// "; did you mean 'x'?" or "".
std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace cohort::base
