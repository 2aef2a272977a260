#include "reward/text/decimal.h"

#include <charconv>

namespace cohort::reward {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

size_t CountDigits(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && IsDigit(text[count])) ++count;
  return count;
}

std::optional<int64_t> ParseExponent(std::string_view text) {
  if (text.empty()) return 0;
  if (text[0] != 'e' && text[0] != 'E') return std::nullopt;
  text.remove_prefix(1);
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value > 999999 || value < -999999) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Decimal> ParseDecimal(std::string_view text) {
  Decimal value;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    value.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const size_t whole = CountDigits(text);
  value.digits = text.substr(0, whole);
  text.remove_prefix(whole);
  if (!text.empty() && text[0] == '.') {
    const size_t fraction = CountDigits(text.substr(1));
    value.digits += text.substr(1, fraction);
    text.remove_prefix(1 + fraction);
  }
  if (value.digits.empty()) return std::nullopt;
  const std::optional<int64_t> exponent = ParseExponent(text);
  if (!exponent.has_value()) return std::nullopt;

  const size_t first = value.digits.find_first_not_of('0');
  if (first == std::string::npos) return Decimal{};
  value.exponent = static_cast<int64_t>(whole) - static_cast<int64_t>(first) + *exponent;
  value.digits.erase(value.digits.find_last_not_of('0') + 1);
  value.digits.erase(0, first);
  return value;
}

}  // namespace cohort::reward
