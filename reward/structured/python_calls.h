#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cohort::reward {

// A call of a tool as a completion writes it.
struct ToolCall {
  std::string name;
  nlohmann::json arguments;  // an object, or what stood in its place
};

// Calls as Python writes them: f(a=1, b=[True, 'x']), one behind another, or a list of them in
// brackets. Arguments are literals with names, at most 100 deep; nothing for any other text.
std::optional<std::vector<ToolCall>> ReadPythonCalls(std::string_view text);

}  // namespace cohort::reward
