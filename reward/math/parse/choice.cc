#include "reward/math/parse/choice.h"

#include "reward/math/parse/characters.h"
#include "reward/math/parse/plain_text.h"
#include "reward/text/answer_text.h"

namespace cohort::reward::math {
namespace {

bool IsOption(char c) { return c >= 'A' && c <= 'J'; }

// Whether another option is named: "(B)", "B)", "B." or a letter behind "and" or "or".
bool HasOption(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const bool alone = IsOption(text[i]) &&
                       (i == 0 || !(IsLetter(text[i - 1]) || IsDigit(text[i - 1]))) &&
                       (i + 1 == text.size() || !(IsLetter(text[i + 1]) || IsDigit(text[i + 1])));
    if (!alone) continue;
    const std::string_view before = Trim(text.substr(0, i));
    const auto follows = [&](std::string_view word) {
      if (!before.ends_with(word)) return false;
      const size_t at = before.size() - word.size();
      return at == 0 || before[at - 1] == ' ';
    };
    const bool listed = follows("or") || follows("and") || follows("Or") || follows("And");
    const bool marked = i + 1 == text.size() ||
                        std::string_view(").:,;").find(text[i + 1]) != std::string_view::npos;
    if (listed || marked) return true;
  }
  return false;
}

// " not A", ", not (A)", " rather than A or B": the options that the answer is told from. "A and
// not B" is a formula of logic.
bool SetsOptionsAside(std::string_view text) {
  if (text.starts_with(',')) text.remove_prefix(1);
  if (!text.starts_with(' ')) return false;
  text = Trim(text);
  bool negated = false;
  for (const std::string_view word : {"not ", "non ", "rather than ", "instead of "}) {
    if (!text.starts_with(word)) continue;
    text.remove_prefix(word.size());
    negated = true;
    break;
  }
  while (negated && !text.empty()) {
    for (const std::string_view word : {"or ", "nor ", "and ", "ou "}) {
      if (text.starts_with(word)) text.remove_prefix(word.size());
    }
    const bool bracket = text.starts_with('(');
    if (bracket) text.remove_prefix(1);
    if (text.empty() || !IsOption(text[0])) return false;
    text.remove_prefix(1);
    if (bracket != text.starts_with(')')) return false;
    if (bracket) text.remove_prefix(1);
    if (!text.empty() && text[0] != ' ' && text[0] != ',') return false;  // "AB": no option
    while (text.starts_with(' ') || text.starts_with(',')) text.remove_prefix(1);
  }
  return negated;
}

}  // namespace

std::optional<Choice> ParseChoice(std::string_view text) {
  if (text.size() > 400) return std::nullopt;
  const std::string plain = Unwrap(text);
  std::string_view rest = plain;
  for (const std::string_view word : {"Option ", "option ", "Choice ", "choice "}) {
    if (rest.starts_with(word)) rest.remove_prefix(word.size());
  }
  const bool bracket = rest.starts_with('(');
  if (bracket) rest.remove_prefix(1);
  if (rest.empty()) return std::nullopt;
  Choice choice{rest[0], "", false};
  if (!IsOption(choice.letter)) {
    if (!IsOption(static_cast<char>(rest[0] & ~0x20)) || !IsLetter(rest[0])) return std::nullopt;
    choice.letter = static_cast<char>(rest[0] & ~0x20);
    choice.lower = true;
  }
  rest.remove_prefix(1);
  const bool closed = rest.starts_with(')');
  if (bracket && !closed) return std::nullopt;
  const bool marked =
      closed || rest.starts_with(". ") || rest.starts_with(": ") || rest == "." || rest == ":";
  if (marked) rest.remove_prefix(1);
  if (!choice.lower && SetsOptionsAside(rest)) return choice;
  const bool spaced = rest.starts_with(' ');
  rest = Trim(rest);
  if (rest.empty()) return choice;
  if (choice.lower || HasOption(rest)) return std::nullopt;
  const bool name =
      spaced && rest.size() > 1 && IsUpper(rest[0]) && IsLetter(rest[1]) && !IsUpper(rest[1]);
  const bool listed =
      rest[0] == ',' || rest[0] == ';' || rest.starts_with("or ") || rest.starts_with("and ");
  if (listed) return std::nullopt;
  const bool continues = std::string_view("+-*/^=_<>!'").find(rest[0]) != std::string_view::npos;
  if ((!marked && !name) || (continues && !spaced)) return std::nullopt;
  choice.value = rest;
  return choice;
}

}  // namespace cohort::reward::math
