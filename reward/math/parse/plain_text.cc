#include "reward/math/parse/plain_text.h"

#include <algorithm>
#include <unordered_map>

#include "reward/math/parse/characters.h"
#include "reward/math/parse/macro_table.h"
#include "reward/text/answer_text.h"

namespace cohort::reward::math {
namespace {

// The sayings that mean the same, as one of them.
std::string_view OneSaying(std::string_view words) {
  static const std::unordered_map<std::string_view, std::string_view> sayings = {
      {"no solutions", "no solution"},
      {"no real solution", "no solution"},
      {"no real solutions", "no solution"},
      {"there is no solution", "no solution"},
      {"there are no solutions", "no solution"},
      {"there is no real solution", "no solution"},
      {"there are no real solutions", "no solution"},
      {"no such solution", "no solution"},
      {"empty set", "no solution"},
      {"the empty set", "no solution"},
      {"emptyset", "no solution"},
      {"\\emptyset", "no solution"},
      {"\\varnothing", "no solution"},
      {"all reals", "all real numbers"},
      {"all real x", "all real numbers"},
      {"all real values", "all real numbers"},
      {"any real number", "all real numbers"},
      {"the set of all real numbers", "all real numbers"},
      {"dne", "does not exist"},
      {"the limit does not exist", "does not exist"},
      {"infinitely many solutions", "infinitely many"},
      {"it is undefined", "undefined"},
      {"无解", "no solution"},
      {"方程无解", "no solution"},
      {"无实数解", "no solution"},
      {"没有解", "no solution"},
      {"空集", "no solution"},
      {"不存在", "does not exist"},
      {"无穷多", "infinitely many"},
      {"无数个", "infinitely many"},
      {"实数集", "all real numbers"},
      {"全体实数", "all real numbers"},
      {"所有实数", "all real numbers"},
  };
  const auto found = sayings.find(words);
  return found == sayings.end() ? words : found->second;
}

// "a parabola" as "parabola"; a letter beside another is no article.
std::string_view WithoutArticle(std::string_view words) {
  for (const std::string_view article : {"a ", "an ", "the "}) {
    if (words.starts_with(article) && words.size() >= article.size() + 3) {
      return words.substr(article.size());
    }
  }
  return words;
}

}  // namespace

std::string Unwrap(std::string_view text) {
  std::string plain;
  bool space = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      size_t end = i + 1;
      while (end < text.size() && IsLetter(text[end])) ++end;
      if (end == i + 1) {
        const char symbol = end < text.size() ? text[end] : ' ';
        const bool layout = std::string_view(" ,;:!()[]\\").find(symbol) != std::string_view::npos;
        if (!layout) plain += symbol == '$' ? "" : std::string(1, symbol);
        space |= layout && symbol != '!';
        i = end;
        continue;
      }
      const auto meaning = MacroMeaning(text.substr(i + 1, end - i - 1));
      const bool dropped = meaning && (meaning->kind == Tok::kFont || meaning->kind == Tok::kDrop);
      if (!dropped) {
        if (space && !plain.empty()) plain += ' ';
        plain += text.substr(i, end - i);
      }
      space = !dropped || text.substr(i, end - i).ends_with("quad");
      i = end - 1;
    } else if (IsSpace(c) || c == '~') {
      space = true;
    } else if (c != '$' && c != '{' && c != '}' && c != '"' && c != '*') {
      if (space && !plain.empty()) plain += ' ';
      space = false;
      plain += c;
    }
  }
  return plain;
}

std::string Words(std::string_view text) {
  const std::string plain = Unwrap(text);
  std::string words;
  for (size_t i = 0; i < plain.size(); ++i) {
    const char c = plain[i];
    const bool before_digit = i + 1 < plain.size() && IsDigit(plain[i + 1]);
    const bool sign = c == '-' && before_digit && (i == 0 || plain[i - 1] == ' ');
    const bool point = c == '.' && before_digit && i > 0 && IsDigit(plain[i - 1]);
    const bool blank = c == ' ' || (c == '-' && !sign);
    if (blank) {
      if (!words.empty() && words.back() != ' ') words += ' ';
    } else if (sign || point ||
               std::string_view(".,;:!?'`\"()").find(c) == std::string_view::npos) {
      words += Lower(c);
    }
  }
  while (!words.empty() && words.back() == ' ') words.pop_back();
  return words;
}

bool SameWords(std::string_view a, std::string_view b) {
  const std::string x = Words(a);
  const std::string y = Words(b);
  if (x.empty() || y.empty()) return false;
  return WithoutArticle(OneSaying(x)) == WithoutArticle(OneSaying(y));
}

bool IsProse(std::string_view text) {
  const std::string plain = Unwrap(text);
  const auto count = [&](auto is) { return std::count_if(plain.begin(), plain.end(), is); };
  const auto letters = count([](char c) { return IsLetter(c) || (c & 0x80) != 0; });
  const auto marks = count(
      [](char c) { return std::string_view("\\^_=+*/<>|[]").find(c) != std::string_view::npos; });
  return marks == 0 && letters >= 2;
}

std::optional<int64_t> LetterNumeral(std::string_view text) {
  if (text.size() > 80 || text.find('_') == std::string_view::npos) return std::nullopt;
  std::string plain = Unwrap(text);
  size_t mark = plain.find('_');
  if (mark != std::string::npos && mark > 2 && plain[0] == '(' && plain[mark - 1] == ')') {
    plain = plain.substr(1, mark - 2) + plain.substr(mark);
    mark -= 2;
  }
  if (mark == std::string::npos || mark == 0 || mark > 12) return std::nullopt;
  const std::string_view base_text = std::string_view(plain).substr(mark + 1);
  if (base_text.empty() || base_text.size() > 2) return std::nullopt;
  int base = 0;
  for (const char c : base_text) {
    if (!IsDigit(c)) return std::nullopt;
    base = base * 10 + (c - '0');
  }
  int64_t value = 0;
  bool digits = false;
  for (const char c : std::string_view(plain).substr(0, mark)) {
    const int digit = IsDigit(c) ? c - '0' : IsUpper(c) ? c - 'A' + 10 : 99;
    if (digit >= base) return std::nullopt;
    digits |= IsDigit(c);
    value = value * base + digit;
  }
  // Letters alone are a name with a subscript.
  return digits || mark > 1 ? std::optional<int64_t>(value) : std::nullopt;
}

}  // namespace cohort::reward::math
