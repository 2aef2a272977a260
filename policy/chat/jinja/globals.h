#pragma once

#include <string>
#include <utility>
#include <vector>

#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

// Functions that every template may call: range, namespace, dict, joiner,
// cycler, lipsum (refused), raise_exception, strftime_now.
const std::vector<std::pair<std::string, Value>>& Globals();

}  // namespace cohort::policy::jinja
