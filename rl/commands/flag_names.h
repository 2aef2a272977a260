#pragma once

#include <string>
#include <vector>

#include "base/setting_names.h"

namespace cohort::rl {

// Names by which a command without a recipe calls the settings that errors of the rooms below name
// by their keys. `command`: "eval", "bench step". Empty for those that read a recipe, whose keys
// they take.
const std::vector<base::SettingName>& FlagNames(const std::string& command);

std::vector<std::string> CommandsWithFlagNames();

}  // namespace cohort::rl
