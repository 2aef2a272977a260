#include "reward/math/extract/answer.h"

#include <algorithm>
#include <array>

#include "reward/math/algebra/limits.h"
#include "reward/math/extract/sentence.h"
#include "reward/math/parse/calendar.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/choice.h"
#include "reward/math/parse/compound_quantity.h"
#include "reward/math/parse/formula.h"
#include "reward/math/parse/plain_text.h"
#include "reward/text/answer_text.h"
#include "reward/text/boxed.h"

namespace cohort::reward::math {
namespace {

using Extracted = std::optional<ExtractedAnswer>;

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

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

Extracted Hashes(std::string_view text) {
  const auto behind = AfterLast(text, "####");
  if (!behind) return std::nullopt;
  const std::string_view line = Trim(Trim(*behind).substr(0, Trim(*behind).find('\n')));
  if (line.empty()) return std::nullopt;
  return ExtractedAnswer{std::string(line), "####"};
}

// `rest` follows the word "answer": the offset in it at which the answer begins, or npos where the
// words are no answer phrase.
size_t BehindAnswer(std::string_view rest) {
  static constexpr std::array<std::string_view, 12> kPhrases = {
      " is", ":",   "s are", " would be", " should be", " must be",
      " =",  "**:", "**",    " $",        " \\(",       " \\["};
  for (const std::string_view phrase : kPhrases) {
    if (!rest.starts_with(phrase)) continue;
    const bool opens = phrase.back() == '$' || phrase.back() == '(' || phrase.back() == '[';
    return opens ? 1 : phrase.size();
  }
  return std::string_view::npos;
}

// The offset at which the text behind the last answer phrase begins; npos when there is no phrase.
size_t BehindPhrase(std::string_view text) {
  constexpr std::string_view kAnswer = "answer";
  const std::string lower = LowerCase(text);
  size_t behind = std::string::npos;
  for (size_t at = lower.rfind(kAnswer); at != std::string::npos;
       at = at == 0 ? std::string::npos : lower.rfind(kAnswer, at - 1)) {
    const size_t end = at + kAnswer.size();
    const size_t phrase = BehindAnswer(std::string_view(lower).substr(end));
    if (phrase == std::string_view::npos) continue;
    behind = end + phrase;
    break;
  }
  for (const std::string_view phrase : {"答案是", "答案：", "答案:", "ponse est", "respuesta es",
                                        "choice is", "option is", "\nans:"}) {
    const size_t at = lower.rfind(phrase);
    if (at == std::string::npos) continue;
    if (behind == std::string::npos || at + phrase.size() > behind) behind = at + phrase.size();
  }
  const size_t line = lower.rfind("\na:");
  if (line != std::string::npos && (behind == std::string::npos || line + 3 > behind)) {
    behind = line + 3;
  }
  if (behind == std::string::npos && lower.starts_with("a:")) behind = 2;
  if (behind == std::string::npos && lower.starts_with("ans:")) behind = 4;
  return behind;
}

// The first sentence of a text: up to a full stop before a blank, or the end of the line.
std::string_view Sentence(std::string_view text) {
  const auto opens = [&](std::string_view mark) { return text.starts_with(mark); };
  const std::vector<Formula> formulas = opens("$") || opens("\\[") || opens("\\(")
                                            ? FormulasIn(text.substr(0, 4096))
                                            : std::vector<Formula>();
  size_t from = 0;
  if (!formulas.empty() && formulas[0].begin == 0) from = formulas[0].end;
  for (size_t i = from; i < text.size(); ++i) {
    const bool stop = text[i] == '.' && (i + 1 == text.size() || IsSpace(text[i + 1])) && i > 0;
    if (stop || text[i] == '\n' || text.substr(i).starts_with("<|")) return text.substr(0, i);
  }
  return text;
}

std::string_view WithoutMarks(std::string_view text) {
  constexpr std::string_view kMarks = " \t\r\n:*\"";
  const size_t first = text.find_first_not_of(kMarks);
  if (first == std::string_view::npos) return {};
  text = text.substr(first);
  const size_t last = text.find_last_not_of(" \t\r\n*\"");
  return text.substr(0, last + 1);
}

// "D, it doesn't make sense for it to be A": the letter in front.
bool LeadsWithOption(std::string_view text) {
  if (text.size() < 3 || text[0] < 'A' || text[0] > 'J') return false;
  const bool marked = text[1] == ',' || text[1] == '.' || text[1] == ':' || text[1] == ')';
  const std::string_view rest = Trim(text.substr(2));
  for (const std::string_view word : {"because ", "since ", "as "}) {
    if (text[1] == ' ' && rest.starts_with(word)) return true;
  }
  return marked && IsSpace(text[2]) && rest.size() > 3 && IsLetter(rest[0]) && IsLetter(rest[1]) &&
         !LowerCase(rest).starts_with("or ") && !LowerCase(rest).starts_with("and ");
}

// Texts of several numbers that are one answer.
bool IsOneAnswer(std::string_view text) {
  return ParseDate(text).has_value() || IsCompoundQuantity(text);
}

Extracted AnswerPhrase(std::string_view text) {
  const size_t behind = BehindPhrase(text);
  if (behind == std::string::npos) return std::nullopt;
  std::string_view sentence = WithoutMarks(Sentence(WithoutMarks(text.substr(behind))));
  const bool exclaims =
      sentence.ends_with('!') && sentence.find_first_of("$\\") == std::string_view::npos;
  if (exclaims) sentence = Trim(sentence.substr(0, sentence.size() - 1));
  if (sentence.empty() || sentence.starts_with("\\boxed{}")) return std::nullopt;
  constexpr const char* kSource = "answer phrase";
  if (LowerCase(sentence.substr(0, 4)) == "not ") {
    return ExtractedAnswer{std::string(sentence), kSource};
  }
  const std::vector<Formula> formulas = FormulasIn(sentence);
  if (formulas.size() == 1 && formulas[0].begin == 0 && Trim(formulas[0].body).size() > 1) {
    return ExtractedAnswer{std::string(Trim(formulas[0].body)), kSource};
  }
  if (formulas.size() == 1 && formulas[0].end - formulas[0].begin == sentence.size()) {
    return ExtractedAnswer{std::string(Trim(formulas[0].body)), kSource};
  }
  if (LeadsWithOption(sentence)) return ExtractedAnswer{std::string(1, sentence[0]), kSource};
  if ((!IsSentence(sentence) && IsFormulaText(sentence)) || ParseChoice(sentence) ||
      IsOneAnswer(sentence)) {
    return ExtractedAnswer{std::string(sentence), kSource};
  }
  if (auto found = LastFormulaOrNumber(sentence)) {
    return ExtractedAnswer{std::move(*found), kSource};
  }
  if (sentence.size() > 200) return std::nullopt;
  return ExtractedAnswer{std::string(sentence), kSource};
}

Extracted AnswerTag(std::string_view text) {
  const auto behind = AfterLast(text, "<answer>");
  if (!behind) return std::nullopt;
  const std::string_view inside = Trim(behind->substr(0, behind->find("</answer>")));
  if (inside.empty()) return std::nullopt;
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
  auto text = AfterReasoning(response);
  if (!text) return std::nullopt;
  if (text->size() > kMaxResponseTail) text = text->substr(text->size() - kMaxResponseTail);
  text = Trim(*text);
  if (auto boxed = Boxed(*text)) {
    // "The final answer is X. I hope it is correct." behind the last box is the last word.
    const std::string_view behind = text->substr(text->rfind("box"));
    if (LowerCase(behind).find("final answer is") == std::string::npos) return boxed;
    auto last = AnswerPhrase(behind);
    return last ? last : boxed;
  }
  if (auto tagged = AnswerTag(*text)) return tagged;
  if (auto hashes = Hashes(*text)) return hashes;
  if (auto phrase = AnswerPhrase(*text)) return phrase;
  if (text->empty()) return std::nullopt;
  const auto option = ParseChoice(*text);
  if (option && !option->lower && (*text)[0] != 'I' &&
      (text->starts_with('(') || text->substr(1).find_first_of(".):") == 0)) {
    return ExtractedAnswer{std::string(*text), "whole response"};
  }
  const auto is_formula = [&] {
    return !IsSentence(*text) && (IsFormulaText(*text) || text->size() == 1);
  };
  if (text->size() < 400 && (is_formula() || IsOneAnswer(WithoutMarks(*text)))) {
    return ExtractedAnswer{std::string(*text), "whole response"};
  }
  if (auto last = LastFormulaOrNumber(*text)) {
    return ExtractedAnswer{std::move(*last), "last formula"};
  }
  if (auto letter = LastOption(*text)) return ExtractedAnswer{std::move(*letter), "last option"};
  // A few words are the answer themselves, \text{a few words} too.
  const std::string plain = text->starts_with("\\text") ? Unwrap(*text) : std::string(*text);
  const auto words = std::count(plain.begin(), plain.end(), ' ') + 1;
  if (plain.size() <= 60 && words <= 4 && plain.find_first_of("\n\\") == std::string::npos) {
    return ExtractedAnswer{std::string(*text), "whole response"};
  }
  return std::nullopt;
}

ExtractedAnswer ExtractFromAnswer(std::string_view text) {
  text = Trim(text);
  if (text.size() > kMaxAnswerBytes) return {std::string(text.substr(0, kMaxTextBytes + 1)), "all"};
  if (auto boxed = Boxed(text)) return *boxed;
  if (text.find("####") != std::string_view::npos) return {std::string(GoldText(text)), "####"};
  const std::vector<Formula> formulas = FormulasIn(text);
  if (formulas.size() == 1) {
    if (auto only = OnlyFormula(text, formulas[0])) return *only;
  }
  if (text.find(' ') == std::string_view::npos) return {std::string(text), "all"};
  const size_t phrase = BehindPhrase(text);
  if (formulas.empty() && phrase != std::string::npos) {
    const std::string_view rest = WithoutMarks(text.substr(phrase));
    if (!rest.empty()) return {std::string(rest), "answer phrase"};
  }
  return {std::string(text), "all"};
}

}  // namespace cohort::reward::math
