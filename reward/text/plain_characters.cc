#include "reward/text/plain_characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace cohort::reward {
namespace {

using CodePoint = utf8proc_int32_t;

bool IsUnseen(CodePoint c) {
  const utf8proc_category_t category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_CF || (c >= 0xFE00 && c <= 0xFE0F) || c == 0x034F;
}

// Thin blanks group digits, and have a meaning of their own.
bool IsBlank(CodePoint c) {
  return utf8proc_category(c) == UTF8PROC_CATEGORY_ZS && c != 0x2009 && c != 0x202F;
}

// Full-width ASCII but for the marks that separate and introduce: they group no thousands.
bool IsFullWidth(CodePoint c) {
  return c >= 0xFF01 && c <= 0xFF5E && c != 0xFF0C && c != 0xFF1A && c != 0xFF1B;
}

// Mathematical letters and digits, Planck's h and its kin, Roman numerals.
bool HasPlainForm(CodePoint c) {
  return (c >= 0x1D400 && c <= 0x1D7FF) || (c >= 0x2160 && c <= 0x217F) || c == 0x210E ||
         c == 0x2113 || c == 0x212F || c == 0x2134 || c == 0x210A;
}

// The digits of a script are ten neighbours that begin at a code point ending in 0 or 6.
char DigitOf(CodePoint c) {
  const CodePoint low = c & 0xF;
  const bool from_zero = low <= 9 && utf8proc_category(c & ~CodePoint{0xF}) == UTF8PROC_CATEGORY_ND;
  return static_cast<char>('0' + (from_zero ? low : low - 6));
}

void AppendPlainForm(CodePoint c, std::string* plain) {
  std::array<CodePoint, 8> parts;
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      c, parts.data(), parts.size(),
      static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE), &boundary);
  for (utf8proc_ssize_t i = 0; i < std::min<utf8proc_ssize_t>(count, parts.size()); ++i) {
    std::array<utf8proc_uint8_t, 4> bytes;
    const utf8proc_ssize_t width = utf8proc_encode_char(parts[i], bytes.data());
    plain->append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(width));
  }
}

}  // namespace

std::string PlainCharacters(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  size_t i = 0;
  while (i < text.size()) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      plain += text[i++];
      continue;
    }
    CodePoint c = 0;
    const utf8proc_ssize_t read =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + i),
                         static_cast<utf8proc_ssize_t>(std::min<size_t>(text.size() - i, 4)), &c);
    const size_t width = read > 0 ? static_cast<size_t>(read) : 1;
    if (read <= 0) {
      plain += text[i];
    } else if (IsFullWidth(c)) {
      plain += static_cast<char>(c - 0xFEE0);
    } else if (HasPlainForm(c)) {
      AppendPlainForm(c, &plain);
    } else if (utf8proc_category(c) == UTF8PROC_CATEGORY_ND) {
      plain += DigitOf(c);
    } else if (IsBlank(c)) {
      plain += ' ';
    } else if (c == 0x00BA || c == 0x02DA) {  // an ordinal's or a ring's sign for a degree
      plain += "\u00B0";
    } else if (!IsUnseen(c)) {
      plain += text.substr(i, width);
    }
    i += width;
  }
  return plain;
}

}  // namespace cohort::reward
