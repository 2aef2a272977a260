#pragma once

// UTF-8 by the Unicode standard's table 3-7: no surrogates, no overlong forms, nothing above
// U+10FFFF.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cohort::base {

struct CodePoint {
  uint32_t value;  // kInvalidCodePoint for a byte that starts no valid sequence
  size_t length;   // bytes taken; 1 for an invalid byte
};
inline constexpr uint32_t kInvalidCodePoint = 0xFFFFFFFF;

// The code point that starts at `position` (which must be inside `text`).
CodePoint DecodeUtf8(std::string_view text, size_t position);

// Bytes that begin a code point: of valid UTF-8 the number of code points.
int64_t CountCharacters(std::string_view text);

// Bytes of the longest valid prefix.
size_t ValidUtf8Prefix(std::string_view text);
bool IsValidUtf8(std::string_view text);

// Bytes at the end that begin a code point without finishing it: 0 to 3.
size_t UnfinishedUtf8Suffix(std::string_view text);

// The text with every byte that is not part of a valid sequence replaced by U+FFFD.
std::string RepairUtf8(std::string_view text);

void AppendUtf8(uint32_t code_point, std::string* out);

// White_Space of Unicode; Python's str.isspace adds U+001C..U+001F.
bool IsUnicodeSpace(uint32_t code_point);
bool IsPythonSpace(uint32_t code_point);

}  // namespace cohort::base
