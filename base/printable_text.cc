#include "base/printable_text.h"

#include <cstdio>

#include "base/utf8.h"

namespace cohort::base {
namespace {

bool IsC0(uint32_t point) { return point < 0x20; }

// Characters that JSON does not escape by itself.
bool IsDelOrC1(uint32_t point) { return point >= 0x7F && point < 0xA0; }

bool IsBidirectional(uint32_t point) {
  return (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

std::string Escape(const char* format, uint32_t point) {
  char buffer[16];
  std::snprintf(buffer, sizeof(buffer), format, point);
  return buffer;
}

std::string Printable(const CodePoint& point, std::string_view bytes, LineBreaks breaks) {
  if (point.value == kInvalidCodePoint) return "\xEF\xBF\xBD";
  if (point.value == '\n' || point.value == '\t') {
    if (breaks == LineBreaks::kKept) return std::string(bytes);
    return point.value == '\n' ? "\\n" : "\\t";
  }
  if (IsC0(point.value) || IsDelOrC1(point.value)) return Escape("\\x%02x", point.value);
  if (IsBidirectional(point.value)) return Escape("\\u%04x", point.value);
  return std::string(bytes);
}

}  // namespace

std::string PrintableText(std::string_view text, LineBreaks breaks) {
  std::string printable;
  printable.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = DecodeUtf8(text, at);
    printable += Printable(point, text.substr(at, point.length), breaks);
    at += point.length;
  }
  return printable;
}

std::string PrintableJson(std::string_view json) {
  std::string printable;
  printable.reserve(json.size());
  for (size_t at = 0; at < json.size();) {
    const CodePoint point = DecodeUtf8(json, at);
    const bool escaped = IsDelOrC1(point.value) || IsBidirectional(point.value);
    printable +=
        escaped ? Escape("\\u%04x", point.value) : std::string(json.substr(at, point.length));
    at += point.length;
  }
  return printable;
}

void PrintNote(std::string_view text) { std::fprintf(stderr, "%s\n", PrintableText(text).c_str()); }

}  // namespace cohort::base
