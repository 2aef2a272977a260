#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace cohort::reward {

// A call of a tool as a completion writes it.
struct ToolCall {
  std::string name;
  nlohmann::json arguments;  // an object, or what stood in its place
};

// Tools by their names: the schema of each one's arguments.
using ToolSchemas = std::map<std::string, nlohmann::json>;

}  // namespace cohort::reward
