#pragma once

#include <string>

#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

// text.name: a method; undefined when texts have none of that name. One that Python has and that is
// not supported throws TemplateError.
Value TextAttribute(const Value& text, const std::string& name);

}  // namespace cohort::policy::jinja
