#pragma once

#include <string_view>
#include <vector>

#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

// `value is name(arguments)`.
using Test = bool (*)(const Value& value, const std::vector<Value>& arguments);

// Null when there is no such test.
Test FindTest(std::string_view name);

}  // namespace cohort::policy::jinja
