#pragma once

#include <string_view>

#include "policy/chat/jinja/interpreter.h"

namespace cohort::policy::jinja {

// `input | name(arguments)`.
using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);

// Null when there is no such filter.
Filter FindFilter(std::string_view name);

// The two halves of the table: filters of text and numbers (filters.cc), and of lists and
// dicts (sequence_filters.cc).
Filter FindSequenceFilter(std::string_view name);

}  // namespace cohort::policy::jinja
