#include "reward/text/number_scan.h"

#include <array>
#include <string>

#include "reward/text/answer_text.h"

namespace cohort::reward {
namespace {

constexpr std::string_view kMinus = "\xE2\x88\x92";  // U+2212

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool DigitAt(std::string_view text, size_t i) { return i < text.size() && IsDigit(text[i]); }

size_t SkipDigits(std::string_view text, size_t i) {
  while (DigitAt(text, i)) ++i;
  return i;
}

// Width of a thousands separator at i when exactly three digits follow it, else 0.
size_t SeparatorWidth(std::string_view text, size_t i) {
  static constexpr std::array<std::string_view, 4> kSeparators = {",\\!", "{,}", "\\,", ","};
  for (const std::string_view separator : kSeparators) {
    if (!text.substr(i).starts_with(separator)) continue;
    const size_t digits = i + separator.size();
    return SkipDigits(text.substr(0, digits + 4), digits) == digits + 3 ? separator.size() : 0;
  }
  return 0;
}

// Reads the unsigned number at `begin` into plain digits; returns where it ends.
size_t ReadUnsigned(std::string_view text, size_t begin, std::string* plain) {
  size_t i = SkipDigits(text, begin);
  *plain += text.substr(begin, i - begin);
  if (i > begin && i - begin <= 3 && text[begin] != '0') {
    while (const size_t width = SeparatorWidth(text, i)) {
      *plain += text.substr(i + width, 3);
      i += width + 3;
    }
  }
  if (i < text.size() && text[i] == '.' && DigitAt(text, i + 1)) {
    const size_t end = SkipDigits(text, i + 1);
    *plain += text.substr(i, end - i);
    i = end;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    const size_t sign = i + 1 < text.size() && (text[i + 1] == '-' || text[i + 1] == '+') ? 1 : 0;
    const size_t end = SkipDigits(text.substr(0, i + 8), i + 1 + sign);
    const bool whole =
        end > i + 1 + sign && (end == text.size() || (!IsLetter(text[end]) && !DigitAt(text, end)));
    if (whole) {
      *plain += text.substr(i, end - i);
      i = end;
    }
  }
  return i;
}

// Length of a sign that ends at `end` and belongs to the number behind it: in "5-3" and "3--5" it
// does not.
size_t SignLength(std::string_view before, bool* negative) {
  size_t length = 0;
  if (before.ends_with('-') || before.ends_with('+')) length = 1;
  if (before.ends_with(kMinus)) length = kMinus.size();
  if (length == 0) return 0;
  *negative = before.back() != '+';
  before.remove_suffix(length);
  if (before.empty()) return length;
  const char c = before.back();
  const bool binary = IsDigit(c) || IsLetter(c) || c == ')' || c == ']' || c == '}' || c == '-';
  if (binary) *negative = false;
  return binary ? 0 : length;
}

size_t SignedBegin(std::string_view text, size_t begin, bool* negative) {
  if (const size_t sign = SignLength(text.substr(0, begin), negative)) return begin - sign;
  size_t currency = begin;
  if (currency > 0 && text[currency - 1] == '$') --currency;
  if (currency < begin && currency > 0 && text[currency - 1] == '\\') --currency;
  if (currency == begin) return begin;
  const size_t sign = SignLength(text.substr(0, currency), negative);
  return sign > 0 ? currency - sign : begin;
}

enum class Role { kNumber, kInExpression, kUnitExponent };

// The part that a number plays behind this text.
Role RoleAfter(std::string_view before) {
  const auto ends_value = [](std::string_view s) {
    return !s.empty() && (IsDigit(s.back()) || s.back() == ')' || s.back() == '}');
  };
  for (const std::string_view macro : {"\\frac", "\\sqrt", "\\frac{", "\\sqrt{", "]{", "}{"}) {
    if (before.ends_with(macro)) return Role::kInExpression;
  }
  for (const std::string_view macro : {"\\dfrac", "\\dfrac{", "\\tfrac", "\\tfrac{"}) {
    if (before.ends_with(macro)) return Role::kInExpression;
  }
  if (before.ends_with('{') || before.ends_with('(')) {
    if (!before.substr(0, before.size() - 1).ends_with('^')) return Role::kNumber;
    before.remove_suffix(1);
  }
  if (before.ends_with('^')) {
    before.remove_suffix(1);
    return ends_value(before) ? Role::kInExpression : Role::kUnitExponent;
  }
  if (before.ends_with('/') && ends_value(before.substr(0, before.size() - 1))) {
    return Role::kInExpression;
  }
  return Role::kNumber;
}

// Start of the stretch before `end` in which a number that ends there can lie.
size_t StretchBegin(std::string_view text, size_t end) {
  constexpr std::string_view kInside = "0123456789,.+-eE^{}()[]/\\!$";
  const auto inside = [&](char c) {
    return kInside.find(c) != std::string_view::npos || kMinus.find(c) != std::string_view::npos;
  };
  while (end > 0 && inside(text[end - 1])) --end;
  return end;
}

}  // namespace

std::optional<NumberInText> NextNumber(std::string_view text, size_t* position) {
  for (size_t i = *position; i < text.size(); ++i) {
    const bool point = text[i] == '.' && DigitAt(text, i + 1) && (i == 0 || !IsDigit(text[i - 1]));
    if (!IsDigit(text[i]) && !point) continue;
    bool negative = false;
    const size_t begin = SignedBegin(text, i, &negative);
    std::string plain(negative ? "-" : "");
    *position = ReadUnsigned(text, i, &plain);
    const Role role = RoleAfter(text.substr(0, begin));
    std::optional<Decimal> value = ParseDecimal(plain);
    if (role == Role::kUnitExponent || !value.has_value()) {
      i = *position - 1;
      continue;
    }
    return NumberInText{std::move(*value), text.substr(begin, *position - begin),
                        role == Role::kInExpression};
  }
  *position = text.size();
  return std::nullopt;
}

std::optional<NumberInText> LastNumber(std::string_view text) {
  while (true) {
    const size_t digit = text.find_last_of("0123456789");
    if (digit == std::string_view::npos) return std::nullopt;
    std::optional<NumberInText> last;
    size_t position = StretchBegin(text, digit + 1);
    const size_t begin = position;
    while (auto number = NextNumber(text, &position)) last = std::move(number);
    if (last.has_value()) return last;
    text = text.substr(0, begin);
  }
}

std::optional<NumberInText> OnlyNumber(std::string_view text) {
  size_t position = 0;
  std::optional<NumberInText> only = NextNumber(text, &position);
  if (!only.has_value() || only->in_expression) return std::nullopt;
  return NextNumber(text, &position).has_value() ? std::nullopt : only;
}

std::optional<Decimal> WholeNumber(std::string_view text) {
  text = Trim(text);
  const std::optional<NumberInText> only = OnlyNumber(text);
  if (!only.has_value()) return std::nullopt;
  const auto begin = static_cast<size_t>(only->text.data() - text.data());
  const std::string_view before = text.substr(0, begin);
  const std::string_view after = text.substr(begin + only->text.size());
  constexpr std::string_view kIgnored = "$\\% \t\n";
  const bool alone = before.find_first_not_of(kIgnored) == std::string_view::npos &&
                     after.find_first_not_of("$\\% \t\n.") == std::string_view::npos;
  return alone ? std::optional<Decimal>(only->value) : std::nullopt;
}

}  // namespace cohort::reward
