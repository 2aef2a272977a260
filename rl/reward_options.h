#pragma once

#include <map>
#include <string>
#include <vector>

namespace cohort::rl {

// Assignments key=value of a command line. Throws Error{kUsage} for one without a key, or a key
// given twice.
std::map<std::string, std::string> SplitOptions(const std::vector<std::string>& assignments);

}  // namespace cohort::rl
