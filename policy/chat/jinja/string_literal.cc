#include "policy/chat/jinja/string_literal.h"

#include <cctype>
#include <string_view>

#include "base/utf8.h"
#include "policy/chat/jinja/lexer.h"

namespace cohort::policy::jinja {
namespace {

// `count` hexadecimal digits at `at`, or a refusal.
uint32_t HexDigits(const std::string& body, size_t at, size_t count, int line) {
  uint32_t value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (i >= body.size() || std::isxdigit(static_cast<unsigned char>(body[i])) == 0) {
      RefuseTemplate(
          line, "an escape in a string needs " + std::to_string(count) + " hexadecimal digits");
    }
    const char c = static_cast<char>(std::tolower(static_cast<unsigned char>(body[i])));
    value = value * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
    RefuseTemplate(line, "an escape in a string names no Unicode character");
  }
  return value;
}

}  // namespace

std::string DecodeStringLiteral(const std::string& body, int line) {
  static constexpr std::string_view kLetters = "abfnrtv\\'\"", kMeanings = "\a\b\f\n\r\t\v\\'\"";
  std::string out;
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\' || i + 1 >= body.size()) {
      out += body[i];
      continue;
    }
    const char escape = body[++i];
    const size_t known = kLetters.find(escape);
    if (known != std::string_view::npos) {
      out += kMeanings[known];
    } else if (escape == '\n') {
      continue;
    } else if (escape >= '0' && escape <= '7') {
      uint32_t value = 0;
      size_t digits = 0;
      while (digits < 3 && i < body.size() && body[i] >= '0' && body[i] <= '7') {
        value = value * 8 + static_cast<uint32_t>(body[i++] - '0');
        ++digits;
      }
      --i;
      base::AppendUtf8(value, &out);
    } else if (escape == 'N') {
      RefuseTemplate(line, "\\N{..} in a string is not supported");
    } else if (escape == 'x' || escape == 'u' || escape == 'U') {
      const size_t count = escape == 'x' ? 2 : (escape == 'u' ? 4 : 8);
      base::AppendUtf8(HexDigits(body, i + 1, count, line), &out);
      i += count;
    } else {
      out += '\\';
      out += escape;
    }
  }
  return out;
}

}  // namespace cohort::policy::jinja
