#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "reward/structured/tool_call.h"

namespace cohort::reward {

// Calls as Python writes them: f(a=1, b=[True, 'x']), one behind another, or a list of them in
// brackets. Arguments are literals with names, at most 100 deep; nothing for any other text.
std::optional<std::vector<ToolCall>> ReadPythonCalls(std::string_view text);

}  // namespace cohort::reward
