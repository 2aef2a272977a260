#include "reward/math/extract/answer.h"

#include <algorithm>

#include "reward/math/algebra/limits.h"
#include "reward/math/extract/answer_phrase.h"
#include "reward/math/extract/sentence.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/choice.h"
#include "reward/math/parse/formula.h"
#include "reward/math/parse/plain_text.h"
#include "reward/math/parse/unicode_math.h"
#include "reward/text/answer_text.h"
#include "reward/text/boxed.h"
#include "reward/text/plain_characters.h"

namespace cohort::reward::math {
namespace {

using Extracted = std::optional<ExtractedAnswer>;

// A last \boxed{ that never closes: up to the dollar that ends its formula, or cut off.
Extracted OpenBox(std::string_view text) {
  constexpr std::string_view kMacro = "\\boxed{";
  const size_t at = text.rfind(kMacro);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(at + kMacro.size());
  int open = 1;
  for (const char c : rest) {
    open += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (open == 0) return std::nullopt;  // closed, and empty
  }
  const size_t dollar = rest.find('$');
  const std::string content(Trim(rest.substr(0, dollar)));
  if (content.empty()) return std::nullopt;
  return ExtractedAnswer{content, "open box", dollar == std::string_view::npos};
}

Extracted Boxed(std::string_view text) {
  if (text.find("box") == std::string_view::npos) return std::nullopt;
  if (auto boxed = LastBoxed(text)) return ExtractedAnswer{std::move(*boxed), "boxed"};
  return OpenBox(text);
}

// "answer", "**Final answer:**": a heading with its text on the next line.
bool IsHeading(std::string_view lower) {
  std::string words;
  for (const char c : lower) {
    if (IsLetter(c) || c == ' ') words += c;
  }
  const std::string_view heading = Trim(words);
  return heading == "answer" || heading == "final answer" || heading == "the answer";
}

Extracted Hashes(std::string_view text) {
  const auto behind = AfterLast(text, "####");
  if (!behind) return std::nullopt;
  const std::string_view rest = Trim(*behind);
  const std::string_view line = Trim(rest.substr(0, rest.find('\n')));
  if (line.empty()) return std::nullopt;
  // Markdown has headings of four signs too: "#### Answer: 12", "#### Step 2".
  const std::string lower = LowerCase(line);
  for (const std::string_view heading : {"step ", "case ", "part "}) {
    if (lower.starts_with(heading)) return std::nullopt;
  }
  const bool heads = rest.size() > line.size() && IsHeading(lower);
  const std::string stated = "answer: " + std::string(Trim(rest.substr(line.size())));
  if (auto phrase = AnswerPhrase(heads ? std::string_view(stated) : line)) {
    return ExtractedAnswer{std::move(phrase->text), "####"};
  }
  return ExtractedAnswer{std::string(line), "####"};
}

// {"answer": "12"}: the value of the last key that ends in "answer".
Extracted JsonAnswer(std::string_view text) {
  const std::string lower = LowerCase(text);
  for (const char quote : {'"', '\''}) {
    const size_t key = lower.rfind(std::string("answer") + quote);
    if (key == std::string::npos || text.find('{') > key) continue;
    std::string_view rest = Trim(text.substr(key + 7));
    if (!rest.starts_with(':')) continue;
    rest = Trim(rest.substr(1));
    std::string value;
    if (rest.starts_with('"') || rest.starts_with('\'')) {
      for (size_t i = 1; i < rest.size() && rest[i] != rest[0]; ++i) {
        // Only two of JSON's escapes are read, \\ and \": a policy that writes \frac means TeX.
        const bool escape = rest[i] == '\\' && i + 1 < rest.size() &&
                            (rest[i + 1] == '\\' || rest[i + 1] == rest[0]);
        value += rest[i += escape ? 1 : 0];
      }
    } else if (rest.starts_with('[')) {
      value = rest.substr(1, rest.find(']') - 1);
    } else {
      value = Trim(rest.substr(0, rest.find_first_of(",}\n")));
    }
    if (!value.empty()) return ExtractedAnswer{std::move(value), "JSON"};
  }
  return std::nullopt;
}

Extracted AnswerTag(std::string_view text) {
  const auto behind = AfterLast(text, "<answer>");
  if (!behind) return std::nullopt;
  const std::string_view inside = Trim(behind->substr(0, behind->find("</answer>")));
  if (inside.empty()) return std::nullopt;
  if (inside.starts_with('{') && inside.ends_with('}')) {
    if (auto json = JsonAnswer(inside)) return ExtractedAnswer{json->text, "answer tag"};
  }
  if (IsSentence(inside)) {
    if (auto phrase = AnswerPhrase(inside)) return ExtractedAnswer{phrase->text, "answer tag"};
    if (auto last = LastFormulaOrNumber(inside)) return ExtractedAnswer{*last, "answer tag"};
  }
  return ExtractedAnswer{std::string(inside), "answer tag"};
}

// The one formula of a sentence that says nothing else: no other number, no "or", no "not".
Extracted OnlyFormula(std::string_view text, const Formula& formula) {
  const std::string around = " " +
                             Words(std::string(text.substr(0, formula.begin)) + " | " +
                                   std::string(text.substr(formula.end))) +
                             " ";
  const bool alone = around.find_first_not_of(" |") == std::string::npos;
  if (alone || !IsSentence(std::string(text.substr(0, formula.begin)) + " x " +
                           std::string(text.substr(formula.end)))) {
    return std::nullopt;
  }
  for (const std::string_view word :
       {" or ", " not ", " and ", " either ", " maybe ", " possibly ", " no ", " perhaps "}) {
    if (around.find(word) != std::string::npos) return std::nullopt;
  }
  if (around.find_first_of("0123456789\\") != std::string::npos) return std::nullopt;
  if (!IsFormulaText(formula.body)) return std::nullopt;
  return ExtractedAnswer{std::string(formula.body), "the formula"};
}

}  // namespace

std::optional<ExtractedAnswer> ExtractFromResponse(std::string_view response) {
  auto tail = AfterReasoning(response);
  if (!tail) return std::nullopt;
  if (tail->size() > kMaxResponseTail) tail = tail->substr(tail->size() - kMaxResponseTail);
  const std::string plain = HasUnicode(*tail) ? PlainCharacters(*tail) : std::string();
  const std::string_view text = Trim(plain.empty() ? *tail : std::string_view(plain));
  if (auto boxed = Boxed(text)) {
    // "The final answer is X. I hope it is correct." behind the last box is the last word.
    const std::string_view behind = text.substr(text.rfind("box"));
    if (LowerCase(behind).find("final answer is") == std::string::npos) return boxed;
    auto last = AnswerPhrase(behind);
    return last ? last : boxed;
  }
  if (auto tagged = AnswerTag(text)) return tagged;
  if (auto hashes = Hashes(text)) return hashes;
  if (auto json = JsonAnswer(text)) return json;
  if (auto phrase = AnswerPhrase(text)) return phrase;
  if (text.empty()) return std::nullopt;
  const auto option = ParseChoice(text);
  const bool aside = option && option->value.empty() && text.size() > 1;  // "B, not A"
  if (option && !option->lower && text[0] != 'I' &&
      (aside || text.starts_with('(') || text.substr(1).find_first_of(".):") == 0)) {
    return ExtractedAnswer{std::string(text), "whole response"};
  }
  const auto is_formula = [&] {
    return !IsSentence(text) && (IsFormulaText(text) || text.size() == 1);
  };
  if (text.size() < 400 && (is_formula() || IsOneAnswer(WithoutMarks(text)))) {
    return ExtractedAnswer{std::string(text), "whole response"};
  }
  if (auto last = LastFormulaOrNumber(text)) {
    return ExtractedAnswer{std::move(*last), "last formula"};
  }
  if (auto letter = LastOption(text)) return ExtractedAnswer{std::move(*letter), "last option"};
  // A few words are the answer themselves, \text{a few words} too.
  const std::string words = text.starts_with("\\text") ? Unwrap(text) : std::string(text);
  const auto count = std::count(words.begin(), words.end(), ' ') + 1;
  if (words.size() <= 60 && count <= 4 && words.find_first_of("\n\\") == std::string::npos) {
    return ExtractedAnswer{std::string(text), "whole response"};
  }
  return std::nullopt;
}

ExtractedAnswer ExtractFromAnswer(std::string_view text) {
  text = Trim(text);
  if (text.size() > kMaxAnswerBytes) return {std::string(text.substr(0, kMaxTextBytes + 1)), "all"};
  if (auto boxed = Boxed(text)) return *boxed;
  if (text.find("####") != std::string_view::npos) {
    if (auto hashes = Hashes(text)) return *hashes;
    return {std::string(GoldText(text)), "####"};
  }
  if (text.starts_with('{') && text.ends_with('}')) {
    if (auto json = JsonAnswer(text)) return *json;
  }
  const std::vector<Formula> formulas = FormulasIn(text);
  if (formulas.size() == 1) {
    if (auto only = OnlyFormula(text, formulas[0])) return *only;
  }
  if (text.find(' ') == std::string_view::npos) return {std::string(text), "all"};
  if (formulas.empty()) {
    const std::string_view rest = WithoutMarks(BehindAnswerPhrase(text));
    if (!rest.empty()) return {std::string(rest), "answer phrase"};
  }
  return {std::string(text), "all"};
}

}  // namespace cohort::reward::math
