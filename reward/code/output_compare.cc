#include "reward/code/output_compare.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.h"

namespace cohort::reward::judge {
namespace {

constexpr std::string_view kBlank = " \t\r\n\f\v";

std::string_view WithoutBlankEnd(std::string_view text) {
  const size_t last = text.find_last_not_of(kBlank);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

bool SameLines(std::string_view a, std::string_view b) {
  a = WithoutBlankEnd(a);
  b = WithoutBlankEnd(b);
  while (!a.empty() || !b.empty()) {
    const size_t end_a = std::min(a.find('\n'), a.size());
    const size_t end_b = std::min(b.find('\n'), b.size());
    if (WithoutBlankEnd(a.substr(0, end_a)) != WithoutBlankEnd(b.substr(0, end_b))) return false;
    if ((end_a == a.size()) != (end_b == b.size())) return false;
    a.remove_prefix(std::min(end_a + 1, a.size()));
    b.remove_prefix(std::min(end_b + 1, b.size()));
  }
  return true;
}

std::string_view NextWord(std::string_view* text) {
  const size_t begin = std::min(text->find_first_not_of(kBlank), text->size());
  const size_t end = std::min(text->find_first_of(kBlank, begin), text->size());
  const std::string_view word = text->substr(begin, end - begin);
  text->remove_prefix(end);
  return word;
}

std::optional<double> NumberOf(std::string_view word) {
  if (word.size() > 1 && word[0] == '+' && word[1] != '-') word.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// The digits of an integer literal without leading zeros, behind '-' if it is below 0.
std::optional<std::string> IntegerOf(std::string_view word) {
  const bool negative = word.starts_with('-');
  if (negative || word.starts_with('+')) word.remove_prefix(1);
  if (word.empty() || word.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  const size_t first = std::min(word.find_first_not_of('0'), word.size() - 1);
  const std::string digits(word.substr(first));
  return negative && digits != "0" ? "-" + digits : digits;
}

bool SameNumber(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return false;
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

// A tolerance relative to a large number is wider than 1, but an integer is no other integer.
bool SameWord(const Compare& compare, std::string_view word, std::string_view expected) {
  if (compare.method != Compare::Method::kFloat) return word == expected;
  const auto whole = IntegerOf(word), wanted = IntegerOf(expected);
  if (whole && wanted) return *whole == *wanted;
  const auto a = NumberOf(word), b = NumberOf(expected);
  if (!a || !b) return word == expected;
  return (!wanted || std::abs(*a - *b) < 0.5) && SameNumber(*a, *b, compare.tolerance);
}

bool SameWords(const Compare& compare, std::string_view output, std::string_view expected) {
  while (true) {
    const std::string_view word = NextWord(&output);
    const std::string_view wanted = NextWord(&expected);
    if (word.empty() || wanted.empty()) return word.empty() && wanted.empty();
    if (!SameWord(compare, word, wanted)) return false;
  }
}

}  // namespace

Compare ParseCompare(const std::string& text) {
  using Method = Compare::Method;
  if (text.empty() || text == "lines") return {Method::kLines};
  if (text == "exact") return {Method::kExact};
  if (text == "tokens") return {Method::kTokens};
  if (text == "sequence_lenient") return {Method::kSequenceLenient};
  if (text == "checker") return {Method::kChecker};
  if (text.starts_with("float:")) {
    const auto tolerance = NumberOf(std::string_view(text).substr(6));
    if (tolerance && std::isfinite(*tolerance) && *tolerance >= 0) {
      return {Method::kFloat, *tolerance};
    }
  }
  throw Error(ErrorCode::kUsage,
              "compare is '" + text.substr(0, 40) +
                  "', expected lines, exact, tokens, float:TOLERANCE, sequence_lenient or checker");
}

bool SameOutput(const Compare& compare, std::string_view output, std::string_view expected) {
  switch (compare.method) {
    case Compare::Method::kExact:
      return output == expected;
    case Compare::Method::kTokens:
    case Compare::Method::kFloat:
      return SameWords(compare, output, expected);
    default:
      return SameLines(output, expected);
  }
}

}  // namespace cohort::reward::judge
