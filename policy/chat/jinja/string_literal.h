#pragma once

#include <string>

namespace cohort::policy::jinja {

// The text of a quoted string with Python's escapes; an unknown escape keeps its backslash. kUsage
// with the line for a malformed \x, \u or \U.
std::string DecodeStringLiteral(const std::string& body, int line);

}  // namespace cohort::policy::jinja
