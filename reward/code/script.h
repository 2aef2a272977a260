#pragma once

#include <string>

namespace cohort::reward::judge {

// The text of a Python script that is installed in judge/ beside the running program. Errors:
// kEnvironment when it is missing.
std::string ReadScript(const std::string& name);

}  // namespace cohort::reward::judge
