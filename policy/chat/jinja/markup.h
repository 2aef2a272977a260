#pragma once

#include <string>

#include "policy/chat/jinja/value.h"

namespace cohort::policy::jinja {

// MarkupSafe: a text that `safe` or `escape` made is HTML, and so is what is made of it; plain
// texts that join it are escaped first.
Value Markup(std::string html);

// The text of a value with & < > ' " escaped, unless it is HTML already.
std::string EscapedText(const Value& value);

// `value`, a text or a list of texts that a method of an HTML text gave, as HTML.
Value AsMarkup(Value value);

}  // namespace cohort::policy::jinja
