// Filters that change or lay out texts, or make HTML and URLs of them.

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "policy/chat/jinja/filters.h"
#include "policy/chat/jinja/markup.h"
#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

Value Trim(I interpreter, V input, A arguments) {
  const Value* characters = arguments.Get(0, "chars");
  std::optional<std::string_view> given;
  if (characters != nullptr && characters->AsString() != nullptr) given = *characters->AsString();
  return LikeInput(input, interpreter.Charged(PythonStrip(ToText(input), given)));
}

Value Replace(I interpreter, V input, A arguments) {
  const Value* from = arguments.Get(0, "old");
  const Value* to = arguments.Get(1, "new");
  const Value* limit = arguments.Get(2, "count");
  if (from == nullptr || to == nullptr) throw TemplateError{"replace needs two texts"};
  const std::string text = ToText(input), old_text = ToText(*from), new_text = ToText(*to);
  interpreter.Charge(text.size() +
                     text.size() / std::max<size_t>(old_text.size(), 1) * new_text.size());
  const bool limited = limit != nullptr && !limit->IsNone();
  return PythonReplace(text, old_text, new_text, limited ? limit->ToInteger() : -1);
}

Value Indent(I interpreter, V input, A arguments) {
  const Value* width = arguments.Get(0, "width");
  std::string margin(4, ' ');
  if (width != nullptr) {
    margin = width->AsString() != nullptr
                 ? *width->AsString()
                 : std::string(
                       static_cast<size_t>(std::clamp<int64_t>(width->ToInteger(), 0, 1000)), ' ');
  }
  const bool first = TruthOf(arguments.Get(1, "first"), false);
  const bool blank = TruthOf(arguments.Get(2, "blank"), false);
  const std::string text = ToText(input) + "\n";  // Jinja2 adds it and drops the line it makes
  std::vector<std::string> lines = PythonSplitLines(text, /*keep_ends=*/false);
  interpreter.Charge(text.size() + lines.size() * margin.size());
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    if ((i > 0 || first) && (blank || !lines[i].empty() || i == 0)) out += margin;
    out += lines[i];
  }
  return LikeInput(input, std::move(out));
}

// soft_str(value) % (kwargs or args).
Value Format(I interpreter, V input, A arguments) {
  const Value format = LikeInput(input, ToText(input));
  if (!arguments.keywords.empty() && !arguments.positional.empty()) {
    throw TemplateError{"format takes values by place or by name, not both"};
  }
  if (arguments.keywords.empty()) {
    return FormatPercent(interpreter, format, List{arguments.positional, /*is_tuple=*/true});
  }
  Dict named;
  for (const auto& [name, value] : arguments.keywords) named.Set(Value(name), value);
  return FormatPercent(interpreter, format, named);
}

// A filter that does to a text what the method of that name does.
template <std::string (*change)(std::string_view)>
Value Changed(I interpreter, V input, A) {
  return LikeInput(input, interpreter.Charged(change(ToText(input))));
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

Value Escape(I interpreter, V input, A) { return Markup(interpreter.Charged(EscapedText(input))); }

Value ForceEscape(I interpreter, V input, A) {
  return Markup(interpreter.Charged(EscapedText(Value(ToText(input)))));
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

// html.unescape, of the entities that escape and everyday HTML write.
std::string Unescaped(const std::string& text) {
  constexpr std::pair<std::string_view, const char*> kEntities[] = {
      {"&amp;", "&"}, {"&lt;", "<"},   {"&gt;", ">"},   {"&#34;", "\""},       {"&quot;", "\""},
      {"&#39;", "'"}, {"&#x27;", "'"}, {"&apos;", "'"}, {"&nbsp;", "\xC2\xA0"}};
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = std::string_view(text).substr(at);
    const auto entity = std::find_if(std::begin(kEntities), std::end(kEntities),
                                     [&](const auto& e) { return rest.starts_with(e.first); });
    if (entity != std::end(kEntities)) {
      out += entity->second;
      at += entity->first.size();
      continue;
    }
    if (rest.size() > 1 && rest[0] == '&' &&
        std::string_view("\t\n\f <&;").find(rest[1]) == std::string_view::npos) {
      throw TemplateError{"striptags: the entity at '" + std::string(rest.substr(0, 12)) +
                          "' is not supported"};
    }
    out += text[at++];
  }
  return out;
}

// Again and again from the start, as MarkupSafe does: what is erased may join a new beginning.
void EraseBetween(I interpreter, std::string_view begin, std::string_view end, std::string* text) {
  for (size_t from = text->find(begin); from != std::string::npos;
       from = text->find(begin, from - std::min(from, begin.size()))) {
    const size_t to = text->find(end, from);
    if (to == std::string::npos) return;
    interpreter.Step(static_cast<int64_t>(text->size() / 256));
    text->erase(from, to + end.size() - from);
  }
}

Value StripTags(I interpreter, V input, A) {
  std::string text = ToText(input);
  EraseBetween(interpreter, "<!--", "-->", &text);
  EraseBetween(interpreter, "<", ">", &text);
  std::string joined;
  for (const std::string& word : PythonSplit(text, std::nullopt, -1)) {
    joined += (joined.empty() ? "" : " ") + word;
  }
  return interpreter.Charged(Unescaped(joined));
}

Value XmlAttributes(I interpreter, V input, A arguments) {
  const Dict* dict = input.AsDict();
  if (dict == nullptr) throw TemplateError{"xmlattr needs a dict"};
  std::string out;
  for (const auto& [key, value] : dict->items) {
    if (value.IsNone() || value.IsUndefined()) continue;
    const std::string* name = key.AsString();
    if (name == nullptr) throw TemplateError{"xmlattr: the name of an attribute is a text"};
    if (name->find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      throw TemplateError{"xmlattr: '" + *name + "' cannot be the name of an attribute"};
    }
    out += (out.empty() ? "" : " ") + EscapedText(key) + "=\"" + EscapedText(value) + "\"";
  }
  if (!out.empty() && TruthOf(arguments.Get(0, "autospace"), true)) out.insert(0, " ");
  return interpreter.Charged(std::move(out));
}

}  // namespace

const FilterTable& TextFilters() {
  static const FilterTable filters = {
      {"escape", Escape},
      {"e", Escape},
      {"forceescape", ForceEscape},
      {"safe", [](I i, V v, A) { return Markup(i.Charged(ToText(v))); }},
      {"striptags", StripTags},
      {"urlencode", UrlEncode},
      {"xmlattr", XmlAttributes},
      {"trim", Trim},
      {"replace", Replace},
      {"indent", Indent},
      {"format", Format},
      {"upper", Changed<PythonUpper>},
      {"lower", Changed<PythonLower>},
      {"capitalize", Changed<PythonCapitalize>},
      {"title", Title},
      {"center", Center},
      {"truncate", Truncate},
      {"wordcount", WordCount},
      {"filesizeformat", FileSize},
  };
  return filters;
}

}  // namespace cohort::policy::jinja
