#include <cstdio>

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
};

int ReadNumber(const std::string& format, size_t* at) {
  size_t value = 0;
  while (*at < format.size() && format[*at] >= '0' && format[*at] <= '9') {
    value = value * 10 + static_cast<size_t>(format[(*at)++] - '0');
    if (value > kMaxWidth) throw TemplateError{"a width in a format is too large"};
  }
  return static_cast<int>(value);
}

Conversion ReadConversion(const std::string& format, size_t* at) {
  Conversion conversion;
  while (*at < format.size() && std::string_view("-+ 0#").find(format[*at]) != std::string::npos) {
    conversion.flags += format[(*at)++];
  }
  conversion.width = ReadNumber(format, at);
  if (*at < format.size() && format[*at] == '.') {
    ++*at;
    conversion.precision = ReadNumber(format, at);
  }
  if (*at >= format.size()) throw TemplateError{"a format ends inside a conversion"};
  conversion.kind = format[(*at)++];
  return conversion;
}

template <typename Number>
std::string Print(const Conversion& conversion, const char* length, char kind, Number number) {
  const std::string format = "%" + conversion.flags + "*.*" + length + kind;
  char text[2 * kMaxWidth + 400];
  std::snprintf(text, sizeof(text), format.c_str(), conversion.width, conversion.precision, number);
  return text;
}

std::string Convert(const Conversion& conversion, const Value& value) {
  const char kind = conversion.kind;
  if (kind == 's' || kind == 'r') {
    std::string text = kind == 's' ? ToText(value) : Repr(value);
    if (conversion.precision >= 0) {
      const auto characters = Characters(text);
      text.clear();
      for (size_t i = 0; i < characters.size() && i < static_cast<size_t>(conversion.precision);
           ++i) {
        text += characters[i];
      }
    }
    const int64_t missing = conversion.width - CountCodePoints(text);
    const std::string spaces(static_cast<size_t>(std::max<int64_t>(missing, 0)), ' ');
    return conversion.flags.find('-') != std::string::npos ? text + spaces : spaces + text;
  }
  if (!value.IsNumber()) {
    throw TemplateError{std::string("%") + kind + " needs a number, not '" + value.TypeName() +
                        "'"};
  }
  if (kind == 'd' || kind == 'i' || kind == 'u' || kind == 'x' || kind == 'X') {
    const double number = value.ToDouble();
    if (value.IsFloat() && !(number > -9.2e18 && number < 9.2e18)) {
      throw TemplateError{"a number is too large for its format"};
    }
    const long long integer = value.IsFloat() ? static_cast<long long>(number) : value.ToInteger();
    return Print(conversion, "ll", kind == 'u' ? 'd' : kind, integer);
  }
  if (std::string_view("fFeEgG").find(kind) != std::string::npos) {
    return Print(conversion, "", kind, value.ToDouble());
  }
  throw TemplateError{std::string("format conversion %") + kind + " is not supported"};
}

}  // namespace

std::string FormatPercent(const std::string& format, const std::vector<Value>& values) {
  std::string out;
  size_t used = 0;
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      out += format[at++];
      continue;
    }
    ++at;
    const Conversion conversion = ReadConversion(format, &at);
    if (conversion.kind == '%') {
      out += '%';
      continue;
    }
    if (used >= values.size()) throw TemplateError{"a format has too few arguments"};
    out += Convert(conversion, values[used++]);
  }
  if (used < values.size()) throw TemplateError{"a format has too many arguments"};
  return out;
}

}  // namespace cohort::policy::jinja
