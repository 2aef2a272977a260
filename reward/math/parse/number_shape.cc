#include "reward/math/parse/number_shape.h"

#include "reward/math/parse/characters.h"

namespace cohort::reward::math {
namespace {

bool DigitAt(std::string_view text, size_t i) { return i < text.size() && IsDigit(text[i]); }

size_t SkipDigits(std::string_view text, size_t i) {
  while (DigitAt(text, i)) ++i;
  return i;
}

size_t SkipSpaces(std::string_view text, size_t i) {
  while (i < text.size() && text[i] == ' ') ++i;
  return i;
}

// Width of a braced comma "{,}" at i, spaces around its parts allowed; 0 where there is none.
size_t BracedComma(std::string_view text, size_t i) {
  size_t end = SkipSpaces(text, i);
  if (end >= text.size() || text[end] != '{') return 0;
  end = SkipSpaces(text, end + 1);
  if (end >= text.size() || text[end] != ',') return 0;
  end = SkipSpaces(text, end + 1);
  if (end >= text.size() || text[end] != '}') return 0;
  return SkipSpaces(text, end + 1) - i;
}

bool ThreeDigitsAt(std::string_view text, size_t i) {
  return i <= text.size() && SkipDigits(text.substr(0, i + 4), i) == i + 3;
}

// Width of a thousands separator at i that three digits follow, else 0.
size_t SeparatorWidth(std::string_view text, size_t i, bool comma_thousands, bool* comma) {
  if (i >= text.size()) return 0;
  size_t width = BracedComma(text, i);
  if (width == 0 && text.substr(i).starts_with(",\\!")) width = SkipSpaces(text, i + 3) - i;
  if (width == 0 && text.substr(i).starts_with("\\!,")) width = SkipSpaces(text, i + 3) - i;
  if (width == 0 && text.substr(i).starts_with("\\,")) width = 2;
  if (width == 0 && text.substr(i).starts_with(",\\,")) width = 3;
  if (width == 0 && text[i] == ',' && comma_thousands) {
    width = 1;
    *comma |= ThreeDigitsAt(text, i + 1);
  }
  if (width == 0 && (text[i] == ' ' || text[i] == '~')) width = 1;
  return width > 0 && ThreeDigitsAt(text, i + width) ? width : 0;
}

size_t ReadExponent(std::string_view text, size_t i, std::string* plain) {
  if (i >= text.size() || (text[i] != 'e' && text[i] != 'E')) return i;
  size_t digits = i + 1;
  const bool negative = digits < text.size() && text[digits] == '-';
  if (negative || (digits < text.size() && text[digits] == '+')) ++digits;
  const size_t end = SkipDigits(text.substr(0, digits + 8), digits);
  if (end == digits || DigitAt(text, end) || (end < text.size() && IsLetter(text[end]))) return i;
  *plain += 'e';
  if (negative) *plain += '-';
  *plain += text.substr(digits, end - digits);
  return end;
}

}  // namespace

NumberShape ReadNumber(std::string_view text, bool comma_thousands) {
  NumberShape number;
  size_t i = SkipDigits(text, 0);
  number.plain = text.substr(0, i);
  if (i > 0 && i <= 3 && text[0] != '0') {
    while (const size_t width = SeparatorWidth(text, i, comma_thousands, &number.grouped)) {
      number.plain += text.substr(i + width, 3);
      i += width + 3;
    }
    // "9,100,101,7" is a list: all of a run of digits and commas is one number, or none of it.
    if (number.grouped && i < text.size() && text[i] == ',' && DigitAt(text, i + 1)) {
      return ReadNumber(text, false);
    }
  }
  const size_t braced = BracedComma(text, i);
  if (braced > 0 && DigitAt(text, i + braced)) {  // 0{,}5 is written so for a half
    const size_t end = SkipDigits(text, i + braced);
    number.plain += '.';
    number.plain += text.substr(i + braced, end - i - braced);
    i = end;
  } else if (i < text.size() && text[i] == '.' && !text.substr(i).starts_with("..")) {
    const size_t end = SkipDigits(text, i + 1);
    if (number.plain.empty()) number.plain = "0";
    number.plain += text.substr(i, end - i);
    i = end;
  }
  number.width = ReadExponent(text, i, &number.plain);
  return number;
}

}  // namespace cohort::reward::math
