#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace cohort::rl {

// The template with the row's column in place of each {column}: texts as they are, the entries of a
// list one a line, other values as JSON. Braces around anything but a name ("\boxed{}", "{1, 2}")
// stay. Errors: kUsage for a name that is no column of the row.
std::string FillTemplate(const std::string& text, const nlohmann::json& row);

}  // namespace cohort::rl
