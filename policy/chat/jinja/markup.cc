#include "policy/chat/jinja/markup.h"

#include <string_view>

namespace cohort::policy::jinja {

Value Markup(std::string html) {
  Value value(std::move(html));
  value.is_markup = true;
  return value;
}

std::string EscapedText(const Value& value) {
  const std::string text = ToText(value);
  if (value.is_markup) return text;
  std::string out;
  for (const char c : text) {
    const std::string_view html = c == '&'    ? "&amp;"
                                  : c == '<'  ? "&lt;"
                                  : c == '>'  ? "&gt;"
                                  : c == '"'  ? "&#34;"
                                  : c == '\'' ? "&#39;"
                                              : "";
    if (html.empty()) {
      out += c;
    } else {
      out += html;
    }
  }
  return out;
}

Value AsMarkup(Value value) {
  if (value.AsString() != nullptr) value.is_markup = true;
  if (const List* list = value.AsList()) {
    List marked = *list;
    for (Value& item : marked.items) item = AsMarkup(std::move(item));
    return marked;
  }
  return value;
}

}  // namespace cohort::policy::jinja
