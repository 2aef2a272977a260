#include "reward/math/parse/compound_quantity.h"

#include <vector>

#include "reward/math/parse/characters.h"
#include "reward/math/parse/plain_text.h"
#include "reward/math/parse/units.h"

namespace cohort::reward::math {
namespace {

constexpr size_t kMaxBytes = 80;
constexpr size_t kMaxDigits = 9;

struct QuantityPart {
  int64_t count;
  std::string word;
};

bool IsShortUnit(std::string_view word) {  // one letter is a name elsewhere
  return word == "h" || word == "m" || word == "s" || word == "g" || word == "in";
}

// Empty for other texts.
std::vector<QuantityPart> PartsOf(std::string_view text) {
  if (text.size() > kMaxBytes) return {};
  const std::string plain = Unwrap(text);
  std::vector<QuantityPart> parts;
  size_t at = 0;
  const auto skip = [&](auto matches) {
    const size_t begin = at;
    while (at < plain.size() && matches(plain[at])) ++at;
    return std::string_view(plain).substr(begin, at - begin);
  };
  const auto is_separator = [](char c) { return c == ' ' || c == ','; };
  while (at < plain.size()) {
    skip(is_separator);
    if (!parts.empty() && plain.compare(at, 4, "and ") == 0) at += 4;
    const std::string_view digits = skip(IsDigit);
    if (digits.empty() || digits.size() > kMaxDigits) return {};
    skip(is_separator);
    std::string word(skip(IsLetter));
    if (!IsKnownUnit(word) && !IsShortUnit(word)) return {};
    if (word == "in") word = "inch";
    if (word == "m" && !parts.empty() && parts.back().word.starts_with('h')) word = "min";
    parts.push_back({std::stoll(std::string(digits)), word});
    if (at < plain.size() && plain[at] == '.') ++at;  // "min."
  }
  return parts.size() < 2 ? std::vector<QuantityPart>() : parts;
}

}  // namespace

bool IsCompoundQuantity(std::string_view text) { return !PartsOf(text).empty(); }

std::optional<std::string> InOneUnit(std::string_view text) {
  const std::vector<QuantityPart> parts = PartsOf(text);
  if (parts.empty()) return std::nullopt;
  const auto last = ParseUnit(parts.back().word);
  if (!last) return std::nullopt;
  int64_t sum = 0, before = 0;  // `before`: the size of the unit before, in units of the last
  for (const QuantityPart& part : parts) {
    const auto unit = ParseUnit(part.word);
    if (!unit || unit->dimension != last->dimension) return std::nullopt;
    // Sizes are small whole numbers over each other: of known units alone.
    const int64_t num = unit->num * last->den, den = unit->den * last->num;
    if (num % den != 0) return std::nullopt;
    const int64_t size = num / den;
    if (before != 0 && size >= before) return std::nullopt;
    before = size;
    int64_t value = 0;
    if (__builtin_mul_overflow(part.count, size, &value) ||
        __builtin_add_overflow(sum, value, &sum)) {
      return std::nullopt;
    }
  }
  return std::to_string(sum) + "\\text{ " + parts.back().word + "}";
}

}  // namespace cohort::reward::math
