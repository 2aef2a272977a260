#pragma once

#include <string>
#include <vector>

namespace cohort::reward::judge {

// The text of a Python script that is installed in judge/ beside the running program. Errors:
// kEnvironment when it is missing.
std::string ReadScript(const std::string& name);
// Several, one behind another.
std::string ReadScripts(const std::vector<std::string>& names);

}  // namespace cohort::reward::judge
