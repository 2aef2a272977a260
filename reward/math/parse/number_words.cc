#include "reward/math/parse/number_words.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "reward/math/parse/characters.h"
#include "reward/math/parse/han_words.h"
#include "reward/math/parse/plain_text.h"
#include "reward/text/answer_text.h"

namespace cohort::reward::math {
namespace {

using WordList = std::vector<std::string>;

constexpr size_t kMaxBytes = 120;

WordList Split(std::string_view words) {
  WordList parts(1);
  for (const char c : words) {
    if (c == ' ' || c == '-') {
      if (!parts.back().empty()) parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

std::string Join(const WordList& words, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i) text += (text.empty() ? "" : " ") + words[i];
  return text;
}

const std::unordered_map<std::string_view, int64_t>& Cardinals() {
  static const std::unordered_map<std::string_view, int64_t> values = {{"zero", 0},
                                                                       {"one", 1},
                                                                       {"two", 2},
                                                                       {"three", 3},
                                                                       {"four", 4},
                                                                       {"five", 5},
                                                                       {"six", 6},
                                                                       {"seven", 7},
                                                                       {"eight", 8},
                                                                       {"nine", 9},
                                                                       {"ten", 10},
                                                                       {"eleven", 11},
                                                                       {"twelve", 12},
                                                                       {"thirteen", 13},
                                                                       {"fourteen", 14},
                                                                       {"fifteen", 15},
                                                                       {"sixteen", 16},
                                                                       {"seventeen", 17},
                                                                       {"eighteen", 18},
                                                                       {"nineteen", 19},
                                                                       {"twenty", 20},
                                                                       {"thirty", 30},
                                                                       {"forty", 40},
                                                                       {"fifty", 50},
                                                                       {"sixty", 60},
                                                                       {"seventy", 70},
                                                                       {"eighty", 80},
                                                                       {"ninety", 90},
                                                                       {"hundred", 100},
                                                                       {"thousand", 1000},
                                                                       {"million", 1'000'000}};
  return values;
}

// The cardinal of an ordinal: "third" is "three"; empty for other words.
std::string CardinalOf(std::string_view ordinal) {
  static const std::unordered_map<std::string_view, std::string_view> irregular = {
      {"first", "one"},    {"second", "two"}, {"third", "three"},   {"fifth", "five"},
      {"eighth", "eight"}, {"ninth", "nine"}, {"twelfth", "twelve"}};
  if (const auto found = irregular.find(ordinal); found != irregular.end()) {
    return std::string(found->second);
  }
  std::string cardinal(ordinal);
  if (cardinal.ends_with("ieth")) {
    cardinal.replace(cardinal.size() - 4, 4, "y");
  } else if (cardinal.ends_with("th")) {
    cardinal.resize(cardinal.size() - 2);
  } else {
    return "";
  }
  return Cardinals().contains(cardinal) ? cardinal : "";
}

// "third", "quarters", "halves": what a fraction is divided by; 0 for other words.
int64_t Denominator(std::string word, bool plural) {
  if (word == (plural ? "halves" : "half")) return 2;
  if (plural) {
    if (!word.ends_with('s')) return 0;
    word.pop_back();
  }
  if (word == "quarter") return 4;
  if (word == "second" || word == "first") return 0;
  const std::string cardinal = CardinalOf(word);
  return cardinal.empty() ? 0 : Cardinals().at(cardinal);
}

std::string FractionText(int64_t num, int64_t den) {
  return "\\frac{" + std::to_string(num) + "}{" + std::to_string(den) + "}";
}

// "two thirds", "a quarter", "half", "one half of"; nullopt for other words.
std::optional<std::string> Fraction(const WordList& words, size_t begin) {
  const size_t count = words.size() - begin;
  if (count == 0) return std::nullopt;
  if (count == 1) {
    if (words[begin] == "half") return FractionText(1, 2);
    if (words[begin] == "quarter") return FractionText(1, 4);
    return std::nullopt;
  }
  const bool article = words[begin] == "a" || words[begin] == "an";
  const std::string counted = Join(words, begin, words.size() - 1);
  const auto num = article && count == 2 ? std::optional<int64_t>(1) : NumberInWords(counted);
  if (!num) return std::nullopt;
  const int64_t den = Denominator(words.back(), *num != 1);
  if (den == 0) return std::nullopt;
  return FractionText(*num, den);
}

// "one and a half", "two and three quarters"
std::optional<std::string> Mixed(const WordList& words) {
  for (size_t i = words.size(); i-- > 1;) {
    if (words[i] != "and") continue;
    const auto whole = NumberInWords(Join(words, 0, i));
    const auto fraction = Fraction(words, i + 1);
    if (whole && fraction) return std::to_string(*whole) + "+" + *fraction;
  }
  return std::nullopt;
}

// "third", "twenty-first", "3rd"
std::optional<int64_t> Ordinal(const WordList& words) {
  std::string last = words.back();
  if (words.size() == 1 && IsDigit(last[0])) {
    std::erase(last, '^');
    const size_t digits = std::min(last.find_first_not_of("0123456789"), last.size());
    const std::string_view ending = std::string_view(last).substr(digits);
    if (digits > 15) return std::nullopt;
    const int64_t number = std::stoll(last.substr(0, digits));
    const int64_t unit = number / 10 % 10 == 1 ? 0 : number % 10;
    const std::string_view right = unit == 1 ? "st" : unit == 2 ? "nd" : unit == 3 ? "rd" : "th";
    return ending == right ? std::optional<int64_t>(number) : std::nullopt;
  }
  last = CardinalOf(last);
  if (last.empty()) return std::nullopt;
  const std::string before = Join(words, 0, words.size() - 1);
  return NumberInWords(before.empty() ? last : before + " " + last);
}

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsDigit);
}

// "forty-two (42)" and "42 (forty-two)"
std::optional<std::string> BothForms(std::string_view text) {
  const size_t open = text.find('(');
  if (open == std::string_view::npos || open == 0 || !text.ends_with(')')) return std::nullopt;
  const std::string_view outer = Trim(text.substr(0, open));
  const std::string_view inner = Trim(text.substr(open + 1, text.size() - open - 2));
  const bool digits_first = IsDigits(outer);
  const std::string_view digits = digits_first ? outer : inner;
  const auto number = NumberInWords(digits_first ? inner : outer);
  if (!number || !IsDigits(digits) || std::to_string(*number) != digits) return std::nullopt;
  return std::string(digits);
}

// A count in digits, with commas between thousands, or in words.
std::optional<std::string> Count(std::string_view text) {
  std::string digits(Trim(text));
  std::erase(digits, ',');
  if (digits.size() <= 15 && IsDigits(digits)) return digits;
  const auto number = NumberInWords(text);
  return number ? std::optional<std::string>(std::to_string(*number)) : std::nullopt;
}

}  // namespace

std::optional<int64_t> NumberInWords(std::string_view text) {
  if (text.size() > kMaxBytes) return std::nullopt;
  int64_t total = 0;
  int64_t part = 0;     // below the next thousand
  int64_t last = 1000;  // the value of the word before: tens take ones, nothing else adds up
  bool any = false;
  const std::string words = Words(text);
  for (const std::string& word : Split(words)) {
    if (word == "and" && any) continue;
    const auto found = Cardinals().find(word);
    if (found == Cardinals().end()) return std::nullopt;
    const int64_t value = found->second;
    if (value == 100) {
      if (part < 1 || part > 9) return std::nullopt;
      part *= 100;
    } else if (value >= 1000) {
      if (part == 0 || (total != 0 && value >= 1'000'000)) return std::nullopt;
      total += part * value;
      part = 0;
    } else {
      const bool fits = part == 0 || part % 100 == 0 || (last >= 20 && last < 100 && value < 10);
      if (!fits || (value == 0 && any)) return std::nullopt;
      part += value;
    }
    last = value;
    any = true;
  }
  return any ? std::optional<int64_t>(total + part) : std::nullopt;
}

std::optional<std::string> NumberPhrase(std::string_view text) {
  if (text.size() > kMaxBytes) return std::nullopt;
  const std::string plain = Unwrap(text);
  if (auto both = BothForms(plain)) return both;
  if (auto han = HanNumber(plain)) return han;
  WordList words = Split(Words(plain));
  if (words.empty()) return std::nullopt;
  if (words.size() > 1 && (words[0] == "negative" || words[0] == "minus")) {
    const auto size = NumberPhrase(Join(words, 1, words.size()));
    return size ? std::optional<std::string>("-(" + *size + ")") : std::nullopt;
  }
  if (words.size() > 1 && words[0] == "a" && Cardinals().contains(words[1])) words[0] = "one";
  if (words.back() == "dozen") {
    const std::string before = Join(words, 0, words.size() - 1);
    const auto dozens =
        before.empty() || before == "a" ? std::optional<int64_t>(1) : NumberInWords(before);
    return dozens ? std::optional<std::string>(std::to_string(12 * *dozens)) : std::nullopt;
  }
  if (const auto number = NumberInWords(Join(words, 0, words.size())))
    return std::to_string(*number);
  if (auto fraction = Fraction(words, 0)) return fraction;
  if (auto mixed = Mixed(words)) return mixed;
  const auto ordinal = Ordinal(words);
  return ordinal ? std::optional<std::string>(std::to_string(*ordinal)) : std::nullopt;
}

std::optional<std::string> RatioPhrase(std::string_view text) {
  if (text.size() > kMaxBytes) return std::nullopt;
  const std::string plain = Unwrap(text);
  for (const std::string_view word : {" out of ", " in ", " to ", " choose "}) {
    const size_t at = plain.find(word);
    if (at == std::string::npos) continue;
    const auto first = Count(std::string_view(plain).substr(0, at));
    const auto second = Count(std::string_view(plain).substr(at + word.size()));
    if (!first || !second || second->find_first_not_of('0') == std::string::npos) continue;
    if (word == " to ") return *first + ":" + *second;
    if (word == " choose ") return "\\binom{" + *first + "}{" + *second + "}";
    return "\\frac{" + *first + "}{" + *second + "}";
  }
  return std::nullopt;
}

}  // namespace cohort::reward::math
