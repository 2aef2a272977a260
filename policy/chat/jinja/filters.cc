#include "policy/chat/jinja/filters.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "policy/chat/jinja/big_integer.h"
#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

Value Default(I, V input, A arguments) {
  const Value* fallback = arguments.Get(0, "default_value");
  const bool on_false = TruthOf(arguments.Get(1, "boolean"), false);
  if (!input.IsUndefined() && !(on_false && !input.Truth())) return input;
  return fallback == nullptr ? Value("") : *fallback;
}

Value ToJson(I interpreter, V input, A arguments) {
  JsonStyle style;
  // transformers' own filter: tojson(x, ensure_ascii, indent, separators, sort_keys).
  if (const Value* indent = arguments.Get(1, "indent"); indent != nullptr && !indent->IsNone()) {
    style.indent =
        indent->AsString() != nullptr
            ? *indent->AsString()
            : std::string(static_cast<size_t>(std::clamp<int64_t>(indent->ToInteger(), 0, 64)),
                          ' ');
    style.item_separator = ',';
  }
  if (const Value* separators = arguments.Get(2, "separators");
      separators != nullptr && !separators->IsNone()) {
    const std::vector<Value> pair = interpreter.Iterate(*separators);
    if (pair.size() != 2) throw TemplateError{"tojson: separators are two texts"};
    style.item_separator = ToText(pair[0]);
    style.key_separator = ToText(pair[1]);
  }
  style.sort_keys = TruthOf(arguments.Get(3, "sort_keys"), false);
  style.ascii = TruthOf(arguments.Get(0, "ensure_ascii"), false);
  return interpreter.Charged(ToJsonText(input, style));
}

// int(text, base): sign, prefix of the base, underscores between digits. Nothing when it is no
// number.
std::optional<Value> ParseInteger(const std::string& text, int64_t base) {
  std::string rest = PythonStrip(text, std::nullopt);
  std::string digits;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    if (rest[0] == '-') digits = "-";
    rest.erase(0, 1);
  }
  if ((base != 0 && base < 2) || base > 36) throw TemplateError{"int's base is 0 or 2 to 36"};
  constexpr std::pair<char, int64_t> kPrefixes[] = {{'x', 16}, {'o', 8}, {'b', 2}};
  for (const auto& [letter, own] : kPrefixes) {
    const bool there = rest.size() > 2 && rest[0] == '0' &&
                       std::tolower(static_cast<unsigned char>(rest[1])) == letter;
    if (!there || (base != 0 && base != own)) continue;
    base = own;
    rest.erase(0, rest[2] == '_' ? 3 : 2);
  }
  const bool leading_zero = base == 0 && rest.size() > 1 && rest[0] == '0';
  if (base == 0) base = 10;
  if (rest.empty() || (leading_zero && rest.find_first_not_of("0_") != std::string::npos)) {
    return std::nullopt;
  }
  for (size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0;
    const int value = letter ? std::tolower(static_cast<unsigned char>(c)) - 'a' + 10 : c - '0';
    if (c == '_' && i > 0 && i + 1 < rest.size() && rest[i - 1] != '_') continue;
    if (c == '_' || (!letter && (c < '0' || c > '9')) || value >= base) return std::nullopt;
    digits += c;
  }
  return IntegerOf(digits, static_cast<int>(base));
}

// float(text).
std::optional<double> ParseFloat(const std::string& given) {
  std::string text = PythonStrip(given, std::nullopt);
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) {
      return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0;
    };
    if (text[i] == '_' && i > 0 && digit(i - 1) && digit(i + 1)) continue;
    if (text[i] == '_' || text[i] == '(') return std::nullopt;
    digits += text[i];
  }
  const size_t plus = digits.starts_with('+') ? 1 : 0;
  if (plus == 1 && digits.starts_with("+-")) return std::nullopt;
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data() + plus, end, value);
  if (read.ptr != end || read.ec == std::errc::invalid_argument) return std::nullopt;
  return read.ec == std::errc::result_out_of_range ? std::strtod(digits.c_str(), nullptr) : value;
}

void RefuseUndefined(V input) {
  if (const auto* undefined = std::get_if<Undefined>(&input.data)) {
    throw TemplateError{"'" + undefined->name + "' is undefined"};
  }
}

Value Integer(I, V input, A arguments) {
  const Value* fallback = arguments.Get(0, "default");
  const Value* base = arguments.Get(1, "base");
  const Value missing = fallback == nullptr ? Value(int64_t{0}) : *fallback;
  RefuseUndefined(input);
  if (input.IsFloat()) {
    if (std::isinf(input.ToDouble())) throw TemplateError{"infinity is no integer"};
    return std::isnan(input.ToDouble()) ? missing : IntegerOf(input.ToDouble());
  }
  if (input.IsBool()) return input.ToInteger();
  if (input.IsNumber()) return input;
  if (input.AsString() == nullptr) return missing;
  const auto whole = ParseInteger(*input.AsString(), base == nullptr ? 10 : base->ToInteger());
  if (whole.has_value()) return *whole;
  const auto real = ParseFloat(*input.AsString());
  return real.has_value() && std::isfinite(*real) ? IntegerOf(*real) : missing;
}

Value Float(I, V input, A arguments) {
  RefuseUndefined(input);
  if (input.IsNumber()) return input.ToDouble();
  const Value* fallback = arguments.Get(0, "default");
  if (input.AsString() != nullptr) {
    if (const auto value = ParseFloat(*input.AsString())) return *value;
  }
  return fallback == nullptr ? Value(0.0) : *fallback;
}

// Python's round of a float: the nearest decimal of its exact value, halves to even, as printf
// does.
double RoundedFloat(double value, int digits) {
  if (!std::isfinite(value)) return value;
  if (digits >= 0) {
    char text[400 + 325];
    std::snprintf(text, sizeof(text), "%.*f", std::min(digits, 323), value);
    return std::strtod(text, nullptr);
  }
  if (digits < -308) return std::copysign(0.0, value);
  const long double scale = std::pow(10.0L, -digits);
  return static_cast<double>(std::nearbyint(static_cast<long double>(value) / scale) * scale);
}

// The same of an integer, for negative digits.
Value RoundedInteger(V input, int digits) {
  const Value scale = IntegerArithmetic("**", int64_t{10}, int64_t{-digits});
  const Value rest = IntegerArithmetic("%", input, scale);
  const Value low = IntegerArithmetic("-", input, rest);
  const int half = CompareIntegers(IntegerArithmetic("*", rest, int64_t{2}), scale);
  const Value twice = IntegerArithmetic("*", scale, int64_t{2});
  const bool odd = !Equal(IntegerArithmetic("%", low, twice), int64_t{0});
  return half > 0 || (half == 0 && odd) ? IntegerArithmetic("+", low, scale) : low;
}

Value Round(I, V input, A arguments) {
  const Value* precision = arguments.Get(0, "precision");
  const Value* method = arguments.Get(1, "method");
  if (!input.IsNumber()) throw TemplateError{"round needs a number"};
  const std::string how = method == nullptr ? "common" : ToText(*method);
  const int digits = precision == nullptr
                         ? 0
                         : static_cast<int>(std::clamp<int64_t>(precision->ToInteger(), -400, 400));
  if (how == "ceil" || how == "floor") {
    const double scale = std::pow(10.0, digits), scaled = input.ToDouble() * scale;
    return (how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
  }
  if (how != "common") throw TemplateError{"round's method is common, ceil or floor"};
  if (input.IsFloat()) return RoundedFloat(input.ToDouble(), digits);
  const Value whole = input.IsBool() ? Value(input.ToInteger()) : input;
  return digits >= 0 ? whole : RoundedInteger(whole, digits);
}

Value Absolute(I, V input, A) {
  if (!input.IsNumber()) throw TemplateError{"abs needs a number"};
  if (input.IsBool()) return input.ToInteger();
  return std::signbit(input.ToDouble()) ? Negate(input) : input;
}

// pprint.pformat of what fits into its 80 columns: repr with the keys of dicts in order.
Value SortedByKey(V value) {
  if (const List* list = value.IsGenerator() ? nullptr : value.AsList()) {
    List sorted = *list;
    for (Value& item : sorted.items) item = SortedByKey(item);
    return sorted;
  }
  const Dict* dict = value.AsDict();
  if (dict == nullptr || dict->is_namespace) return value;
  Dict sorted = *dict;
  for (auto& [key, item] : sorted.items) {
    if (key.data.index() != sorted.items.front().first.data.index()) {
      throw TemplateError{"pprint of a dict whose keys are of several types is not supported"};
    }
    item = SortedByKey(item);
  }
  std::sort(sorted.items.begin(), sorted.items.end(),
            [](const auto& a, const auto& b) { return Compare(a.first, b.first) < 0; });
  return sorted;
}

Value PrettyPrint(I interpreter, V input, A) {
  std::string text = Repr(SortedByKey(input));
  if (CountCodePoints(text) > 80) {
    throw TemplateError{"pprint of a value that takes several lines is not supported"};
  }
  return interpreter.Charged(std::move(text));
}

const FilterTable& Filters() {
  static const FilterTable filters = {
      {"default", Default},
      {"d", Default},
      {"tojson", ToJson},
      {"int", Integer},
      {"float", Float},
      {"round", Round},
      {"abs", Absolute},
      {"pprint", PrettyPrint},
      {"string",
       [](I i, V v, A) {
         i.Charge(v.AsString() == nullptr ? 0 : v.AsString()->size());
         return v.AsString() != nullptr ? v : Value(ToText(v));
       }},
  };
  return filters;
}

}  // namespace

bool TruthOf(const Value* argument, bool missing) {
  return argument == nullptr ? missing : argument->Truth();
}

int64_t IntegerOr(const Value* argument, int64_t missing) {
  return argument == nullptr || argument->IsNone() ? missing : argument->ToInteger();
}

Value LikeInput(const Value& input, std::string text) {
  Value made(std::move(text));
  made.is_markup = input.is_markup;
  return made;
}

Filter FindFilter(std::string_view name) {
  for (const FilterTable* table : {&Filters(), &TextFilters(), &SequenceFilters()}) {
    const auto found = table->find(name);
    if (found != table->end()) return found->second;
  }
  return nullptr;
}

}  // namespace cohort::policy::jinja
