#include "base/utf8.h"

#include <algorithm>
#include <cstring>

namespace cohort::base {
namespace {

bool IsContinuation(std::string_view text, size_t position) {
  return position < text.size() && (static_cast<uint8_t>(text[position]) & 0xC0) == 0x80;
}

uint32_t LowSix(std::string_view text, size_t position) {
  return static_cast<uint8_t>(text[position]) & 0x3F;
}

}  // namespace

CodePoint DecodeUtf8(std::string_view text, size_t position) {
  const uint8_t first = static_cast<uint8_t>(text[position]);
  if (first < 0x80) return {first, 1};
  const size_t p = position;
  const CodePoint invalid = {kInvalidCodePoint, 1};
  if (first < 0xC2 || !IsContinuation(text, p + 1)) return invalid;
  if (first < 0xE0) return {((first & 0x1Fu) << 6) | LowSix(text, p + 1), 2};
  if (!IsContinuation(text, p + 2)) return invalid;
  if (first < 0xF0) {
    const uint32_t value =
        ((first & 0x0Fu) << 12) | (LowSix(text, p + 1) << 6) | LowSix(text, p + 2);
    if (value < 0x800 || (value >= 0xD800 && value < 0xE000)) return invalid;
    return {value, 3};
  }
  if (first > 0xF4 || !IsContinuation(text, p + 3)) return invalid;
  const uint32_t value = ((first & 0x07u) << 18) | (LowSix(text, p + 1) << 12) |
                         (LowSix(text, p + 2) << 6) | LowSix(text, p + 3);
  if (value < 0x10000 || value > 0x10FFFF) return invalid;
  return {value, 4};
}

int64_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

size_t ValidUtf8Prefix(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    uint64_t eight;
    while (position + 8 <= text.size()) {  // ASCII, eight bytes at a time
      std::memcpy(&eight, text.data() + position, 8);
      if ((eight & 0x8080808080808080ull) != 0) break;
      position += 8;
    }
    if (position >= text.size()) break;
    const CodePoint point = DecodeUtf8(text, position);
    if (point.value == kInvalidCodePoint) break;
    position += point.length;
  }
  return position;
}

bool IsValidUtf8(std::string_view text) { return ValidUtf8Prefix(text) == text.size(); }

size_t UnfinishedUtf8Suffix(std::string_view text) {
  if (text.empty() || static_cast<uint8_t>(text.back()) < 0x80) return 0;
  for (size_t length = 1; length <= 3 && length <= text.size(); ++length) {
    const std::string_view suffix = text.substr(text.size() - length);
    for (size_t missing = 1; length + missing <= 4; ++missing) {
      for (const char continuation : {'\x80', '\xBF'}) {
        const std::string finished = std::string(suffix) + std::string(missing, continuation);
        if (DecodeUtf8(finished, 0).length == finished.size()) return length;
      }
    }
  }
  return 0;
}

std::string RepairUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const size_t length = ValidUtf8Prefix(text);
    valid += text.substr(0, length);
    text.remove_prefix(length);
    if (text.empty()) break;
    valid += "\xEF\xBF\xBD";
    text.remove_prefix(1);
  }
  return valid;
}

void AppendUtf8(uint32_t code_point, std::string* out) {
  const auto push = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    push(code_point);
  } else if (code_point < 0x800) {
    push(0xC0 | (code_point >> 6));
    push(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    push(0xE0 | (code_point >> 12));
    push(0x80 | ((code_point >> 6) & 0x3F));
    push(0x80 | (code_point & 0x3F));
  } else {
    push(0xF0 | (code_point >> 18));
    push(0x80 | ((code_point >> 12) & 0x3F));
    push(0x80 | ((code_point >> 6) & 0x3F));
    push(0x80 | (code_point & 0x3F));
  }
}

bool IsUnicodeSpace(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool IsPythonSpace(uint32_t c) { return IsUnicodeSpace(c) || (c >= 0x1C && c <= 0x1F); }

}  // namespace cohort::base
