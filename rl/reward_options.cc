#include "rl/reward_options.h"

#include "base/error.h"

namespace cohort::rl {

std::map<std::string, std::string> SplitOptions(const std::vector<std::string>& assignments) {
  std::map<std::string, std::string> options;
  for (const std::string& assignment : assignments) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorCode::kUsage, "--option '" + assignment + "': expected key=value");
    }
    if (!options.emplace(assignment.substr(0, equals), assignment.substr(equals + 1)).second) {
      throw Error(ErrorCode::kUsage, "--option '" + assignment + "': given twice");
    }
  }
  return options;
}

}  // namespace cohort::rl
