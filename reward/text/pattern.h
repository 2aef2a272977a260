#pragma once

#include <string>

#include "base/regex.h"

namespace cohort::reward {

// A pattern of a recipe or a schema. Its matching is bounded in steps and memory, since the texts
// come from a policy that is rewarded for finding what breaks its grader. Errors: kUsage with the
// place in the pattern.
base::Regex CompileSearchPattern(const std::string& pattern, bool unicode_classes = true);
base::Regex CompileWholeTextPattern(const std::string& pattern);

}  // namespace cohort::reward
