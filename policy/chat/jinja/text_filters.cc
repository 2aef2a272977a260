// Filters that lay out or clean texts.

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <map>

#include "base/utf8.h"
#include "policy/chat/jinja/filters.h"
#include "policy/chat/jinja/markup.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

using I = Interpreter&;
using V = const Value&;
using A = const Arguments&;

int64_t IntegerOr(const Value* value, int64_t missing) {
  return value == nullptr || value->IsNone() ? missing : value->ToInteger();
}

Value LikeInput(V input, std::string text) {
  Value made(std::move(text));
  made.is_markup = input.is_markup;
  return made;
}

// Each run of letters that follows the text's begin, a space, - or an opening bracket: its first in
// upper case, the rest in lower case.
Value Title(I interpreter, V input, A) {
  const auto begins_word = [](const std::string& c) {
    return c == "-" || c == "(" || c == "{" || c == "[" || c == "<" ||
           base::IsPythonSpace(base::DecodeUtf8(c, 0).value);
  };
  std::string out;
  bool first = true;
  for (const std::string& character : Characters(ToText(input))) {
    if (begins_word(character)) {
      out += character;
      first = true;
    } else {
      out += std::exchange(first, false) ? PythonUpper(character) : PythonLower(character);
    }
  }
  return interpreter.Charged(std::move(out));  // joined from pieces: plain text
}

Value Center(I interpreter, V input, A arguments) {
  const int64_t width = IntegerOr(arguments.Get(0, "width"), 80);
  const std::string text = ToText(input);
  const int64_t missing = std::max<int64_t>(width - CountCodePoints(text), 0);
  interpreter.Charge(text.size() + static_cast<size_t>(missing));
  const int64_t before = missing / 2 + (missing & width & 1);
  return LikeInput(input, std::string(static_cast<size_t>(before), ' ') + text +
                              std::string(static_cast<size_t>(missing - before), ' '));
}

Value Truncate(I interpreter, V input, A arguments) {
  const int64_t length = IntegerOr(arguments.Get(0, "length"), 255);
  const Value* kill = arguments.Get(1, "killwords");
  const Value* given_end = arguments.Get(2, "end");
  const int64_t leeway = IntegerOr(arguments.Get(3, "leeway"), 5);
  const std::string text = ToText(input);
  const std::string end = given_end == nullptr ? "..." : ToText(*given_end);
  if (length < CountCodePoints(end) || leeway < 0) {
    throw TemplateError{"truncate needs a length of at least its end's and a leeway of at least 0"};
  }
  const std::vector<std::string> characters = Characters(text);
  if (static_cast<int64_t>(characters.size()) <= length + leeway) return input;
  std::string cut;
  for (int64_t i = 0; i < length - CountCodePoints(end); ++i)
    cut += characters[static_cast<size_t>(i)];
  if (kill == nullptr || !kill->Truth()) {
    const size_t space = cut.rfind(' ');
    if (space != std::string::npos) cut.resize(space);
  }
  return LikeInput(input, interpreter.Charged(cut + end));
}

Value WordCount(I, V input, A) {
  int64_t count = 0;
  bool inside = false;
  for (const std::string& character : Characters(ToText(input))) {
    const bool word = character == "_" || AllAlphanumeric(character);
    if (word && !inside) ++count;
    inside = word;
  }
  return count;
}

Value UrlEncode(I interpreter, V input, A) {
  const auto quoted = [](const std::string& text, bool query) {
    std::string out;
    for (const char c : text) {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
          std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !query)) {
        out += c;
      } else if (c == ' ' && query) {
        out += '+';
      } else {
        char hex[8];
        std::snprintf(hex, sizeof(hex), "%%%02X", static_cast<unsigned char>(c));
        out += hex;
      }
    }
    return out;
  };
  if (input.AsDict() == nullptr && input.AsList() == nullptr) {
    return interpreter.Charged(quoted(ToText(input), false));
  }
  std::string out;
  const auto add = [&](V key, V value) {
    out += (out.empty() ? "" : "&") + quoted(ToText(key), true) + "=" + quoted(ToText(value), true);
  };
  if (const Dict* dict = input.AsDict()) {
    for (const auto& [key, value] : dict->items) add(key, value);
    return interpreter.Charged(std::move(out));
  }
  for (const Value& pair : interpreter.Iterate(input)) {
    const std::vector<Value> both = interpreter.Iterate(pair);
    if (both.size() != 2) throw TemplateError{"urlencode needs a text, a dict or pairs"};
    add(both[0], both[1]);
  }
  return interpreter.Charged(std::move(out));
}

Value FileSize(I, V input, A arguments) {
  const Value* binary = arguments.Get(0, "binary");
  const bool by_1024 = binary != nullptr && binary->Truth();
  if (!input.IsNumber()) throw TemplateError{"filesizeformat needs a number"};
  const double bytes = input.ToDouble(), base = by_1024 ? 1024 : 1000;
  static constexpr const char* kPrefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
  if (bytes == 1) return "1 Byte";
  char text[400];
  if (bytes < base) {
    std::snprintf(text, sizeof(text), "%.0f Bytes", std::trunc(bytes));
    return text;
  }
  double unit = base;
  for (size_t i = 0; i < std::size(kPrefixes); ++i) {
    unit *= base;
    if (bytes >= unit && i + 1 < std::size(kPrefixes)) continue;
    std::string prefix = kPrefixes[i];
    if (by_1024) prefix = (prefix == "k" ? "K" : prefix) + "i";
    std::snprintf(text, sizeof(text), "%.1f %sB", base * bytes / unit, prefix.c_str());
    break;
  }
  return text;
}

const std::map<std::string_view, Filter>& Filters() {
  static const std::map<std::string_view, Filter> filters = {
      {"title", Title},         {"center", Center},       {"truncate", Truncate},
      {"wordcount", WordCount}, {"urlencode", UrlEncode}, {"filesizeformat", FileSize},
  };
  return filters;
}

}  // namespace

Filter FindTextFilter(std::string_view name) {
  const auto found = Filters().find(name);
  return found == Filters().end() ? nullptr : found->second;
}

}  // namespace cohort::policy::jinja
