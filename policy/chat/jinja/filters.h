#pragma once

#include <string_view>

#include "policy/chat/jinja/interpreter.h"

namespace cohort::policy::jinja {

// `input | name(arguments)`.
using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);

// Null when there is no such filter.
Filter FindFilter(std::string_view name);

// The parts of the table beside filters.cc: layout and cleaning of texts (text_filters.cc), and
// lists and dicts (sequence_filters.cc).
Filter FindTextFilter(std::string_view name);
Filter FindSequenceFilter(std::string_view name);

}  // namespace cohort::policy::jinja
