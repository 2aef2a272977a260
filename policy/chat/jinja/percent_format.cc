#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "policy/chat/jinja/big_integer.h"
#include "policy/chat/jinja/markup.h"
#include "policy/chat/jinja/operators.h"
#include "policy/chat/jinja/python_text.h"

namespace cohort::policy::jinja {
namespace {

constexpr size_t kMaxWidth = 1000;

struct Conversion {
  std::string flags;
  int width = 0;
  int precision = -1;
  char kind = 's';

  bool Has(char flag) const { return flags.find(flag) != std::string::npos; }
};

// The values of a format: a tuple's one after the other, a dict's by name, or one.
class FormatValues {
 public:
  explicit FormatValues(const Value& values)
      : values_(values), tuple_(values.AsList() != nullptr && values.AsList()->is_tuple) {}

  Value Next() {
    const size_t count = tuple_ ? values_.AsList()->items.size() : 1;
    if (used_ >= count) throw TemplateError{"a format has too few arguments"};
    ++used_;
    return tuple_ ? values_.AsList()->items[used_ - 1] : values_;
  }
  Value Named(const std::string& name) {
    if (values_.AsDict() == nullptr) throw TemplateError{"a format with %(names) needs a dict"};
    const Value* found = values_.AsDict()->Find(Value(name));
    if (found == nullptr) throw TemplateError{"a format has no value for %(" + name + ")"};
    named_ = true;
    return *found;
  }
  void CheckAllUsed() const {
    const size_t count = tuple_ ? values_.AsList()->items.size() : 1;
    const bool mapping = values_.AsDict() != nullptr || (values_.AsList() != nullptr && !tuple_);
    if (!named_ && !mapping && used_ < count)
      throw TemplateError{"a format has too many arguments"};
  }

 private:
  const Value& values_;
  const bool tuple_;
  size_t used_ = 0;
  bool named_ = false;
};

int ReadNumber(const std::string& format, size_t* at, FormatValues* values) {
  if (*at < format.size() && format[*at] == '*') {
    ++*at;
    const int64_t given = values->Next().ToInteger();
    if (given < 0 || given > static_cast<int64_t>(kMaxWidth)) {
      throw TemplateError{"a width in a format is too large or negative"};
    }
    return static_cast<int>(given);
  }
  size_t value = 0;
  while (*at < format.size() && format[*at] >= '0' && format[*at] <= '9') {
    value = value * 10 + static_cast<size_t>(format[(*at)++] - '0');
    if (value > kMaxWidth) throw TemplateError{"a width in a format is too large"};
  }
  return static_cast<int>(value);
}

Conversion ReadConversion(const std::string& format, size_t* at, FormatValues* values) {
  Conversion conversion;
  while (*at < format.size() && std::string_view("-+ 0#").find(format[*at]) != std::string::npos) {
    conversion.flags += format[(*at)++];
  }
  conversion.width = ReadNumber(format, at, values);
  if (*at < format.size() && format[*at] == '.') {
    ++*at;
    conversion.precision = ReadNumber(format, at, values);
  }
  while (*at < format.size() && std::string_view("hlL").find(format[*at]) != std::string::npos) {
    ++*at;
  }
  if (*at >= format.size()) throw TemplateError{"a format ends inside a conversion"};
  conversion.kind = format[(*at)++];
  return conversion;
}

std::string Padded(const Conversion& conversion, const std::string& text) {
  const int64_t missing = conversion.width - CountCodePoints(text);
  const std::string spaces(static_cast<size_t>(std::max<int64_t>(missing, 0)), ' ');
  return conversion.Has('-') ? text + spaces : spaces + text;
}

std::string PrintText(const Conversion& conversion, std::string text) {
  if (conversion.precision >= 0) {
    const auto characters = Characters(text);
    text.clear();
    for (size_t i = 0; i < characters.size() && i < static_cast<size_t>(conversion.precision);
         ++i) {
      text += characters[i];
    }
  }
  return Padded(conversion, text);
}

std::string PrintInteger(const Conversion& conversion, const Value& given) {
  const char kind = conversion.kind;
  const bool decimal = kind == 'd' || kind == 'i' || kind == 'u';
  if (given.IsFloat() && (!decimal || !std::isfinite(given.ToDouble()))) {
    throw TemplateError{std::string("%") + kind + " needs an integer"};
  }
  const Value value = given.IsFloat() ? IntegerOf(given.ToDouble()) : given;
  std::string digits = IntegerText(value);
  const bool negative = digits.starts_with('-');
  if (negative) digits.erase(0, 1);
  if (!decimal) {
    if (value.IsBig())
      throw TemplateError{"%x and %o of an integer beyond 64 bits are not supported"};
    const int64_t integer = value.ToInteger();
    const unsigned long long size = negative ? -static_cast<unsigned long long>(integer)
                                             : static_cast<unsigned long long>(integer);
    char text[64];
    std::snprintf(text, sizeof(text), kind == 'x' ? "%llx" : (kind == 'X' ? "%llX" : "%llo"), size);
    digits = text;
  }
  if (conversion.precision > static_cast<int>(digits.size())) {
    digits.insert(0, static_cast<size_t>(conversion.precision) - digits.size(), '0');
  }
  std::string sign =
      negative ? "-" : (conversion.Has('+') ? "+" : (conversion.Has(' ') ? " " : ""));
  if (conversion.Has('#') && !decimal) sign += kind == 'o' ? "0o" : (kind == 'x' ? "0x" : "0X");
  const size_t length = sign.size() + digits.size();
  if (conversion.Has('0') && !conversion.Has('-') &&
      length < static_cast<size_t>(conversion.width)) {
    digits.insert(0, static_cast<size_t>(conversion.width) - length, '0');
  }
  return Padded(conversion, sign + digits);
}

std::string PrintFloat(const Conversion& conversion, double number) {
  const std::string flags =
      std::isfinite(number) ? conversion.flags : PythonReplace(conversion.flags, "0", "", -1);
  const std::string format = "%" + flags + "*.*" + conversion.kind;
  char text[2 * kMaxWidth + 400];
  std::snprintf(text, sizeof(text), format.c_str(), conversion.width, conversion.precision, number);
  return text;
}

std::string Convert(const Conversion& conversion, const Value& value, bool markup) {
  const char kind = conversion.kind;
  if (kind == 's') return PrintText(conversion, markup ? EscapedText(value) : ToText(value));
  if (kind == 'r' || kind == 'a') {
    const std::string text = kind == 'r' ? Repr(value) : AsciiRepr(value);
    return PrintText(conversion, markup ? EscapedText(Value(text)) : text);
  }
  if (kind == 'c') {
    if (value.AsString() != nullptr && CountCodePoints(*value.AsString()) == 1) {
      return PrintText(conversion, *value.AsString());
    }
    const int64_t code_point = value.AsString() != nullptr ? -1 : value.ToInteger();
    if (code_point < 0 || code_point > 0x10FFFF) {
      throw TemplateError{"%c needs a character or its number"};
    }
    std::string text;
    base::AppendUtf8(static_cast<uint32_t>(code_point), &text);
    return PrintText(conversion, text);
  }
  if (!value.IsNumber()) {
    throw TemplateError{std::string("%") + kind + " needs a number, not '" + value.TypeName() +
                        "'"};
  }
  if (std::string_view("diuxXo").find(kind) != std::string::npos) {
    return PrintInteger(conversion, value);
  }
  if (std::string_view("fFeEgG").find(kind) != std::string::npos) {
    return PrintFloat(conversion, value.ToDouble());
  }
  throw TemplateError{std::string("format conversion %") + kind + " is not supported"};
}

}  // namespace

Value FormatPercent(Interpreter& interpreter, const Value& given, const Value& arguments) {
  const std::string& format = *given.AsString();
  std::string out;
  FormatValues values(arguments);
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      out += format[at++];
      continue;
    }
    ++at;
    std::optional<Value> named;
    if (at < format.size() && format[at] == '(') {
      const size_t close = format.find(')', at);
      if (close == std::string::npos) throw TemplateError{"a format's %( is never closed"};
      named = values.Named(format.substr(at + 1, close - at - 1));
      at = close + 1;
    }
    const Conversion conversion = ReadConversion(format, &at, &values);
    if (conversion.kind == '%') {
      out += '%';
      continue;
    }
    out += Convert(conversion, named.has_value() ? *named : values.Next(), given.is_markup);
  }
  values.CheckAllUsed();
  out = interpreter.Charged(std::move(out));
  return given.is_markup ? Markup(std::move(out)) : Value(std::move(out));
}

}  // namespace cohort::policy::jinja
