#pragma once

#include <string>
#include <string_view>

#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

// Whether Jinja2 3.1 in transformers' environment has a filter of that name, supported here or not.
bool IsFilterOfJinja(std::string_view name);

// Throws TemplateError for arguments that the filter of Jinja2 does not have: Python would, too.
void CheckFilterArguments(const std::string& name, const Arguments& arguments);

// Why a filter cannot be used: not supported here, or not known at all.
std::string UnknownFilter(const std::string& name);

}  // namespace cohort::policy::jinja
