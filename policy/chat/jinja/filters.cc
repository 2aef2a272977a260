#include "policy/chat/jinja/filters.h"

#include <charconv>
#include <cmath>
#include <map>

#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

using I = Interpreter&;
using V = const Value&;
using A = const Arguments&;

bool TruthOf(const Value* value, bool missing) {
  return value == nullptr ? missing : value->Truth();
}

Value Default(I, V input, A arguments) {
  const Value* fallback = arguments.Get(0, "default_value");
  const bool on_false = TruthOf(arguments.Get(1, "boolean"), false);
  if (!input.IsUndefined() && !(on_false && !input.Truth())) return input;
  return fallback == nullptr ? Value("") : *fallback;
}

Value Trim(I interpreter, V input, A arguments) {
  const Value* characters = arguments.Get(0, "chars");
  std::optional<std::string_view> given;
  if (characters != nullptr && characters->AsString() != nullptr) given = *characters->AsString();
  return interpreter.Charged(PythonStrip(ToText(input), given));
}

Value ToJson(I interpreter, V input, A arguments) {
  JsonStyle style;
  if (const Value* indent = arguments.Get(0, "indent"); indent != nullptr && !indent->IsNone()) {
    style.indent = static_cast<int>(std::clamp<int64_t>(indent->ToInteger(), 0, 64));
    style.item_separator = ',';
  }
  if (const Value* separators = arguments.Keyword("separators");
      separators != nullptr && !separators->IsNone()) {
    const std::vector<Value> pair = interpreter.Iterate(*separators);
    if (pair.size() != 2) throw TemplateError{"tojson: separators are two texts"};
    style.item_separator = ToText(pair[0]);
    style.key_separator = ToText(pair[1]);
  }
  style.sort_keys = TruthOf(arguments.Keyword("sort_keys"), false);
  style.ascii = TruthOf(arguments.Keyword("ensure_ascii"), false);
  return interpreter.Charged(ToJsonText(input, style));
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
  return out;
}

Value Escape(I interpreter, V input, A) {
  std::string out;
  for (const char c : ToText(input)) {
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
  return interpreter.Charged(std::move(out));
}

Value Integer(I, V input, A arguments) {
  const Value* fallback = arguments.Get(0, "default");
  const Value missing = fallback == nullptr ? Value(int64_t{0}) : *fallback;
  if (input.IsFloat()) {
    const double value = std::trunc(input.ToDouble());
    if (!(value > -9.2e18 && value < 9.2e18)) return missing;
    return static_cast<int64_t>(value);
  }
  if (input.IsNumber()) return input.ToInteger();
  if (input.AsString() == nullptr) return missing;
  const std::string text = PythonStrip(*input.AsString(), std::nullopt);
  const size_t plus = text.starts_with('+') ? 1 : 0;
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto whole = std::from_chars(text.data() + plus, end, value);
  if (whole.ec == std::errc() && whole.ptr == end) return value;
  double number = 0;
  const auto real = std::from_chars(text.data() + plus, end, number);
  if (real.ec == std::errc() && real.ptr == end && std::fabs(number) < 9.2e18) {
    return static_cast<int64_t>(number);
  }
  return missing;
}

Value Float(I, V input, A arguments) {
  if (input.IsNumber()) return input.ToDouble();
  const Value* fallback = arguments.Get(0, "default");
  if (input.AsString() != nullptr) {
    const std::string text = PythonStrip(*input.AsString(), std::nullopt);
    const size_t plus = text.starts_with('+') ? 1 : 0;
    double value = 0;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + plus, end, value);
    if (read.ec == std::errc() && read.ptr == end) return value;
  }
  return fallback == nullptr ? Value(0.0) : *fallback;
}

Value Round(I, V input, A arguments) {
  const Value* precision = arguments.Get(0, "precision");
  const Value* method = arguments.Get(1, "method");
  if (!input.IsNumber()) throw TemplateError{"round needs a number"};
  const std::string how = method == nullptr ? "common" : ToText(*method);
  const int digits = precision == nullptr
                         ? 0
                         : static_cast<int>(std::clamp<int64_t>(precision->ToInteger(), -15, 15));
  const double scale = std::pow(10.0, digits), value = input.ToDouble();
  if (how == "ceil") return std::ceil(value * scale) / scale;
  if (how == "floor") return std::floor(value * scale) / scale;
  if (how != "common") throw TemplateError{"round's method is common, ceil or floor"};
  if (!input.IsFloat() && digits >= 0) return input.ToInteger();
  return std::nearbyint(value * scale) / scale;
}

Value Absolute(I, V input, A) {
  if (!input.IsNumber()) throw TemplateError{"abs needs a number"};
  if (input.IsBool()) return input.ToInteger();
  return input.ToDouble() < 0 ? Negate(input) : input;
}

Value Format(I interpreter, V input, A arguments) {
  return interpreter.Charged(FormatPercent(ToText(input), arguments.positional));
}

const std::map<std::string_view, Filter>& Filters() {
  static const Filter text = [](I i, V v, A) { return Value(i.Charged(ToText(v))); };
  static const std::map<std::string_view, Filter> filters = {
      {"default", Default},
      {"d", Default},
      {"trim", Trim},
      {"tojson", ToJson},
      {"replace", Replace},
      {"indent", Indent},
      {"escape", Escape},
      {"e", Escape},
      {"int", Integer},
      {"float", Float},
      {"round", Round},
      {"abs", Absolute},
      {"format", Format},
      {"string", text},
      {"safe", text},
      {"upper", [](I i, V v, A) { return Value(i.Charged(PythonUpper(ToText(v)))); }},
      {"lower", [](I i, V v, A) { return Value(i.Charged(PythonLower(ToText(v)))); }},
      {"capitalize", [](I i, V v, A) { return Value(i.Charged(PythonCapitalize(ToText(v)))); }},
      {"title", [](I i, V v, A) { return Value(i.Charged(PythonTitle(ToText(v)))); }},
      {"wordcount",
       [](I, V v, A) {
         return Value(static_cast<int64_t>(PythonSplit(ToText(v), std::nullopt, -1).size()));
       }},
  };
  return filters;
}

}  // namespace

Filter FindFilter(std::string_view name) {
  const auto found = Filters().find(name);
  return found == Filters().end() ? FindSequenceFilter(name) : found->second;
}

}  // namespace cohort::policy::jinja
