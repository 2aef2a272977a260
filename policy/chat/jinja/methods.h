#pragma once

#include <string>

#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

// value.name: a method of text, list or dict, else an entry of a dict or loop; undefined when there
// is neither. Methods that change their object do not exist: templates are sandboxed.
Value Attribute(const Value& value, const std::string& name);

// The same without the entries of dicts: value | attr(name).
Value OwnAttribute(const Value& value, const std::string& name);

}  // namespace cohort::policy::jinja
