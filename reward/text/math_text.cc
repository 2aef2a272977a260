#include "reward/text/math_text.h"

#include <algorithm>
#include <array>
#include <vector>

#include "reward/text/answer_text.h"
#include "reward/text/number_scan.h"

namespace cohort::reward {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

template <size_t N>
bool OneOf(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 10> kLayout = {
    "left", "right", "displaystyle", "textstyle", "limits", "quad", "qquad", "big", "Big", "rm"};
constexpr std::array<std::string_view, 9> kTextMacros = {
    "text", "mathrm", "textbf", "mathbf", "textit", "mathit", "textrm", "operatorname", "mbox"};
constexpr std::array<std::string_view, 3> kFractions = {"dfrac", "tfrac", "cfrac"};

// One pass over the text; `braces_` holds, for each open brace, whether it is kept.
class MathTextNormalizer {
 public:
  explicit MathTextNormalizer(std::string_view text) : text_(text) {}

  std::string Run() {
    while (i_ < text_.size()) Step();
    while (!out_.empty() && out_.back() == '.') out_.pop_back();
    return std::move(out_);
  }

 private:
  void Step() {
    const char c = text_[i_];
    if (c == '\\') return Macro();
    if (c == '^' && SkipDegrees()) return;
    if (text_.substr(i_).starts_with("{,}")) {
      i_ += 3;
      return;  // a thousands separator
    }
    ++i_;
    if (c == ' ' || (c >= '\t' && c <= '\r') || c == '$' || c == '~') return;
    if (c == '{') {
      braces_.push_back(!drop_brace_);
      drop_brace_ = false;
      if (!braces_.back()) return;
    } else if (c == '}' && !braces_.empty()) {
      const bool kept = braces_.back();
      braces_.pop_back();
      if (!kept) return;
    }
    out_ += c;
  }

  void Macro() {
    size_t end = i_ + 1;
    while (end < text_.size() && IsLetter(text_[end])) ++end;
    std::string_view name = text_.substr(i_ + 1, end - i_ - 1);
    if (name.empty()) return Symbol();
    i_ = end;
    if (OneOf(name, kLayout)) return;
    if (OneOf(name, kTextMacros)) {
      while (i_ < text_.size() && text_[i_] == ' ') ++i_;
      drop_brace_ = i_ < text_.size() && text_[i_] == '{';
      return;
    }
    if (OneOf(name, kFractions)) name = "frac";
    out_ += '\\';
    out_ += name;
    if (name == "frac") BraceDigits(2);
    if (name == "sqrt") BraceDigits(1);
  }

  // \! \, \; \: and "\ " are space, \$ is currency; \% \{ and the rest are kept.
  void Symbol() {
    const char c = i_ + 1 < text_.size() ? text_[i_ + 1] : ' ';
    i_ = std::min(i_ + 2, text_.size());
    if (std::string_view("!,;: $").find(c) != std::string_view::npos) return;
    if (c != '%') out_ += '\\';
    out_ += c;
  }

  void BraceDigits(int arguments) {
    for (; arguments > 0; --arguments) {
      while (i_ < text_.size() && text_[i_] == ' ') ++i_;
      if (i_ >= text_.size() || !IsDigit(text_[i_])) return;
      out_ += '{';
      out_ += text_[i_++];
      out_ += '}';
    }
  }

  bool SkipDegrees() {
    for (const std::string_view degrees : {"^\\circ", "^{\\circ}"}) {
      if (!text_.substr(i_).starts_with(degrees)) continue;
      i_ += degrees.size();
      return true;
    }
    return false;
  }

  std::string_view text_;
  size_t i_ = 0;
  std::string out_;
  std::vector<bool> braces_;
  bool drop_brace_ = false;
};

// "3/4" as \frac{3}{4}; anything else as it is.
std::string PlainFraction(std::string text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return text;
  const size_t sign = text.starts_with('-') ? 1 : 0;
  const auto digits = [&](size_t begin, size_t end) {
    return end > begin && std::all_of(text.begin() + begin, text.begin() + end, IsDigit);
  };
  if (!digits(sign, slash) || !digits(slash + 1, text.size())) return text;
  return text.substr(0, sign) + "\\frac{" + text.substr(sign, slash - sign) + "}{" +
         text.substr(slash + 1) + "}";
}

// "x=5" states the value 5 where the other side names no variable.
std::string_view WithoutVariable(std::string_view text, std::string_view other) {
  const bool assigned = text.size() > 2 && IsLetter(text[0]) && text[1] == '=';
  return assigned && other.find('=') == std::string_view::npos ? text.substr(2) : text;
}

// The text before a last \text{unit} or \mathrm{unit}; the whole text where there is none.
std::string_view WithoutUnit(std::string_view text) {
  const size_t at = std::max(text.rfind("\\text{") + 1, text.rfind("\\mathrm{") + 1);
  if (at <= 1) return text;
  const size_t close = text.find('}', at);
  if (close == std::string_view::npos || text.size() - close > 5) return text;  // "}^{2}$"
  return text.substr(0, at - 1);
}

bool SameWords(std::string_view a, std::string_view b) {
  if (a.size() != b.size() || a.size() < 2) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!IsLetter(a[i]) || !IsLetter(b[i]) || (a[i] | 0x20) != (b[i] | 0x20)) return false;
  }
  return true;
}

bool SameValue(const std::string& a, const std::string& b) {
  const std::string_view x = WithoutVariable(a, b);
  const std::string_view y = WithoutVariable(b, a);
  if (x == y || SameWords(x, y)) return true;
  const auto number = WholeNumber(x);
  return number.has_value() && number == WholeNumber(y);
}

}  // namespace

std::string NormalizeMathText(std::string_view text) {
  return PlainFraction(MathTextNormalizer(Trim(text)).Run());
}

bool SameMathText(std::string_view found, std::string_view gold) {
  const std::string a = NormalizeMathText(found);
  const std::string b = NormalizeMathText(gold);
  if (a.empty() || b.empty()) return false;
  if (SameValue(a, b)) return true;
  const std::string_view found_value = WithoutUnit(found);
  const std::string_view gold_value = WithoutUnit(gold);
  const bool one_unit = (found_value.size() == found.size()) != (gold_value.size() == gold.size());
  return one_unit && SameValue(NormalizeMathText(found_value), NormalizeMathText(gold_value));
}

}  // namespace cohort::reward
