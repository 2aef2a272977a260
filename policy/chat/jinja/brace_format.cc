// Python's str.format.

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "policy/chat/jinja/big_integer.h"
#include "policy/chat/jinja/methods.h"
#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

constexpr int kMaxWidth = 10'000;

// [[fill]align][sign][#][0][width][,_][.precision][type]
struct Specification {
  std::string fill = " ";
  char align = '\0', sign = '-', grouping = '\0', type = '\0';
  bool alternate = false;
  int width = 0, precision = -1;
};

bool IsAlign(const std::string& character) {
  return character == "<" || character == ">" || character == "^" || character == "=";
}

Specification ReadSpecification(const std::string& text) {
  const std::vector<std::string> all = Characters(text);
  size_t at = 0;
  const auto peek = [&](size_t ahead = 0) {
    return at + ahead < all.size() ? all[at + ahead] : std::string();
  };
  const auto number = [&] {
    int value = 0;
    while (peek().size() == 1 && std::isdigit(static_cast<unsigned char>(peek()[0])) != 0) {
      value = value * 10 + (all[at++][0] - '0');
      if (value > kMaxWidth) throw TemplateError{"a width in a format is too large"};
    }
    return value;
  };
  Specification spec;
  if (IsAlign(peek(1))) {
    spec.fill = all[at++];
    spec.align = all[at++][0];
  } else if (IsAlign(peek())) {
    spec.align = all[at++][0];
  }
  if (peek() == "+" || peek() == "-" || peek() == " ") spec.sign = all[at++][0];
  if (peek() == "#") {
    spec.alternate = true;
    ++at;
  }
  if (peek() == "0") {
    if (spec.align == '\0') {
      spec.fill = "0";
      spec.align = '=';
    }
    ++at;
  }
  spec.width = number();
  if (peek() == "," || peek() == "_") spec.grouping = all[at++][0];
  if (peek() == ".") {
    ++at;
    spec.precision = number();
  }
  if (at < all.size() && all[at].size() == 1) spec.type = all[at++][0];
  if (at < all.size())
    throw TemplateError{"the format specification '" + text + "' is not supported"};
  return spec;
}

std::string Repeated(const std::string& fill, int64_t count) {
  std::string out;
  for (int64_t i = 0; i < count; ++i) out += fill;
  return out;
}

// `sign` goes before what '=' fills.
std::string Aligned(const Specification& spec, char missing_align, const std::string& sign,
                    const std::string& body) {
  const int64_t missing =
      std::max<int64_t>(spec.width - CountCodePoints(sign) - CountCodePoints(body), 0);
  switch (spec.align == '\0' ? missing_align : spec.align) {
    case '<':
      return sign + body + Repeated(spec.fill, missing);
    case '^':
      return Repeated(spec.fill, missing / 2) + sign + body +
             Repeated(spec.fill, missing - missing / 2);
    case '=':
      return sign + Repeated(spec.fill, missing) + body;
    default:
      return Repeated(spec.fill, missing) + sign + body;
  }
}

std::string Grouped(const std::string& digits, char separator, size_t group) {
  if (separator == '\0') return digits;
  const size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % group == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(whole);
}

std::string SignOf(const Specification& spec, bool negative) {
  if (negative) return "-";
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

[[noreturn]] void RefuseType(const Specification& spec, const Value& value) {
  throw TemplateError{std::string("the format type '") + spec.type +
                      "' does not fit a value of type " + value.TypeName()};
}

std::string FormatText(const Specification& spec, const std::string& text, const Value& value) {
  if ((spec.type != '\0' && spec.type != 's') || spec.align == '=' || spec.sign != '-' ||
      spec.grouping != '\0') {
    RefuseType(spec, value);
  }
  std::string cut;
  const auto characters = Characters(text);
  for (size_t i = 0; i < characters.size(); ++i) {
    if (spec.precision >= 0 && i >= static_cast<size_t>(spec.precision)) break;
    cut += characters[i];
  }
  return Aligned(spec, '<', "", cut);
}

std::string FormatFloat(const Specification& spec, double number) {
  if (spec.type != '\0' && std::string_view("eEfFgGn%").find(spec.type) == std::string_view::npos) {
    RefuseType(spec, Value(number));
  }
  char kind = spec.type == '%' ? 'f' : (spec.type == 'n' ? 'g' : spec.type);
  if (spec.type == '%') number *= 100;
  const bool negative = std::signbit(number) && !std::isnan(number);
  std::string digits;
  if (kind == '\0' && spec.precision < 0) {
    digits = ToText(Value(std::fabs(number)));
  } else {
    if (kind == '\0') kind = 'g';
    const std::string format = std::string("%") + (spec.alternate ? "#" : "") + ".*" + kind;
    std::vector<char> text(static_cast<size_t>(kMaxWidth) + 400);
    std::snprintf(text.data(), text.size(), format.c_str(), spec.precision < 0 ? 6 : spec.precision,
                  std::fabs(number));
    digits = text.data();
    // Without a type a float keeps a point: 1e2 with .1 is 1e+02, 12.0 with .4 is 12.0.
    if (spec.type == '\0' && std::isfinite(number) &&
        digits.find_first_of(".e") == std::string::npos) {
      digits += ".0";
    }
  }
  if (spec.type == '%') digits += '%';
  return Aligned(spec, '>', SignOf(spec, negative), Grouped(digits, spec.grouping, 3));
}

std::string FormatInteger(const Specification& spec, const Value& value) {
  if (std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos && spec.type != '\0') {
    return FormatFloat(spec, value.ToDouble());
  }
  if (spec.precision >= 0) RefuseType(spec, value);
  std::string digits = IntegerText(value);
  const bool negative = digits.starts_with('-');
  if (negative) digits.erase(0, 1);
  std::string prefix;
  if (spec.type == 'x' || spec.type == 'X' || spec.type == 'o' || spec.type == 'b') {
    const unsigned base = spec.type == 'o' ? 8 : (spec.type == 'b' ? 2 : 16);
    if (value.IsBig())
      throw TemplateError{"this format of an integer beyond 64 bits is not supported"};
    unsigned long long rest = std::stoull(digits);
    digits.clear();
    do {
      digits.insert(digits.begin(),
                    (spec.type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[rest % base]);
      rest /= base;
    } while (rest > 0);
    if (spec.alternate) prefix = std::string("0") + spec.type;
    digits = Grouped(digits, spec.grouping, 4);
  } else if (spec.type == 'c') {
    std::string character;
    const int64_t code_point = value.ToInteger();
    if (code_point < 0 || code_point > 0x10FFFF) {
      throw TemplateError{"c needs a character's number"};
    }
    base::AppendUtf8(static_cast<uint32_t>(code_point), &character);
    return Aligned(spec, '<', "", character);
  } else if (spec.type == '\0' || spec.type == 'd' || spec.type == 'n') {
    digits = Grouped(digits, spec.grouping, 3);
  } else {
    RefuseType(spec, value);
  }
  if (spec.grouping != '\0' && spec.align == '=' && spec.fill == "0" &&
      static_cast<size_t>(spec.width) > digits.size() + prefix.size() + 1) {
    throw TemplateError{"zeros before grouped digits are not supported in a format"};
  }
  return Aligned(spec, '>', SignOf(spec, negative) + prefix, digits);
}

std::string FormatValue(const Value& value, const std::string& text) {
  const Specification spec = ReadSpecification(text);
  if (value.AsString() != nullptr) return FormatText(spec, *value.AsString(), value);
  if (value.IsBool() && text.empty()) return ToText(value);
  if (value.IsFloat()) return FormatFloat(spec, value.ToDouble());
  if (value.IsNumber()) return FormatInteger(spec, value);
  if (!text.empty()) {
    throw TemplateError{std::string("a format specification does not fit a value of type ") +
                        value.TypeName()};
  }
  return ToText(value);
}

class BraceFormatter {
 public:
  explicit BraceFormatter(const Arguments& arguments) : arguments_(arguments) {}

  std::string Run(const std::string& format, int depth) {
    if (depth > 2) throw TemplateError{"formats are nested too deeply"};
    std::string out;
    for (size_t at = 0; at < format.size();) {
      const char c = format[at];
      if (c != '{' && c != '}') {
        out += c;
        ++at;
      } else if (format.compare(at, 2, std::string(2, c)) == 0) {
        out += c;
        at += 2;
      } else if (c == '}') {
        throw TemplateError{"a single } in a format"};
      } else {
        const size_t end = EndOfField(format, at + 1);
        out += Field(format.substr(at + 1, end - at - 1), depth);
        at = end + 1;
      }
    }
    return out;
  }

 private:
  static size_t EndOfField(const std::string& format, size_t at) {
    int open = 1;
    for (; at < format.size(); ++at) {
      if (format[at] == '{') ++open;
      if (format[at] == '}' && --open == 0) return at;
    }
    throw TemplateError{"a { in a format is never closed"};
  }

  std::string Field(const std::string& field, int depth) {
    const size_t colon = field.find(':'), mark = field.find('!');
    const size_t name_end = std::min({colon, mark, field.size()});
    Value value = Lookup(field.substr(0, name_end));
    size_t at = name_end;
    if (at < field.size() && field[at] == '!') {
      const char conversion = at + 1 < field.size() ? field[at + 1] : '\0';
      if (conversion == 'r') {
        value = Repr(value);
      } else if (conversion == 's') {
        value = ToText(value);
      } else if (conversion == 'a') {
        value = AsciiRepr(value);
      } else {
        throw TemplateError{"a format's conversion is !r, !s or !a"};
      }
      at += 2;
    }
    if (at < field.size() && field[at] != ':')
      throw TemplateError{"expected : in a format's field"};
    const std::string spec = at < field.size() ? Run(field.substr(at + 1), depth + 1) : "";
    return FormatValue(value, spec);
  }

  // "0", "name", "" and then .attribute and [index].
  Value Lookup(const std::string& path) {
    size_t at = std::min(path.find_first_of(".["), path.size());
    Value value = First(path.substr(0, at));
    while (at < path.size()) {
      if (path[at] == '.') {
        const size_t end = std::min(path.find_first_of(".[", at + 1), path.size());
        value = Attribute(value, path.substr(at + 1, end - at - 1));
        at = end;
      } else {
        const size_t close = path.find(']', at);
        if (path[at] != '[' || close == std::string::npos) {
          throw TemplateError{"the field '" + path + "' of a format is not understood"};
        }
        const std::string key = path.substr(at + 1, close - at - 1);
        value = Item(value, IsNumber(key) ? IntegerOf(key) : Value(key));
        at = close + 1;
      }
      if (value.IsUndefined()) throw TemplateError{"a format has no value for {" + path + "}"};
    }
    return value;
  }

  static bool IsNumber(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  }

  Value First(const std::string& name) {
    if (name.empty() || IsNumber(name)) {
      const bool automatic = name.empty();
      if (numbering_ != '\0' && numbering_ != (automatic ? 'a' : 'm')) {
        throw TemplateError{"a format numbers some of its fields and some not"};
      }
      numbering_ = automatic ? 'a' : 'm';
      const size_t index = automatic ? next_++ : static_cast<size_t>(std::stoul(name.substr(0, 9)));
      if (index >= arguments_.positional.size()) {
        throw TemplateError{"a format has too few arguments"};
      }
      return arguments_.positional[index];
    }
    const Value* found = arguments_.Keyword(name);
    if (found == nullptr) throw TemplateError{"a format has no value for {" + name + "}"};
    return *found;
  }

  const Arguments& arguments_;
  size_t next_ = 0;
  char numbering_ = '\0';
};

}  // namespace

std::string FormatBraces(const std::string& format, const Arguments& arguments) {
  return BraceFormatter(arguments).Run(format, 0);
}

}  // namespace cohort::policy::jinja
