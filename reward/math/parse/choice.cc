#include "reward/math/parse/choice.h"

#include <algorithm>

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

// " not A", ", not (A)", " rather than A or B", "不是A": the options that the answer is told from.
// "A and not B" is a formula of logic.
bool SetsOptionsAside(std::string_view text) {
  if (text.starts_with(',')) text.remove_prefix(1);
  const bool apart = text.starts_with(' ');
  for (const std::string_view mark : {"，", "。"}) {
    if (text.starts_with(mark)) text.remove_prefix(mark.size());
  }
  text = Trim(text);
  bool negated = false;
  for (const std::string_view word :
       {"not ", "non ", "rather than ", "instead of ", "不是", "而不是", "而非"}) {
    if (!text.starts_with(word) || (IsLetter(word[0]) && !apart)) continue;
    text = Trim(text.substr(word.size()));
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

// Words behind an option's letter that judge the option and are not its value.
enum class Remark { kNone, kAffirms, kDenies };

Remark RemarkIn(std::string_view text) {
  const std::string words = " " + Words(text) + " ";
  for (const std::string_view denial :
       {" wrong ", " incorrect ", " not correct ", " not right ", " not true ", " not the answer ",
        "isnt ", " eliminated ", " ruled out ", " 错", "不对", "不正确", "不成立", "不是正确"}) {
    if (words.find(denial) != std::string::npos) return Remark::kDenies;
  }
  for (const std::string_view affirmation :
       {" is correct ", " is right ", " is true ", " is the answer ", " is the correct answer ",
        " is the right answer ", " is the correct option ", " is the correct choice ",
        " is the final answer ", " 正确 ", " 是正确的 ", " 是对的 ", " 是正确答案 "}) {
    if (words == affirmation) return Remark::kAffirms;
  }
  for (const std::string_view verb :
       {" is ",   " are ",   " was ",     " arent ",   " wasnt ", " cannot ",
        " cant ", " can ",   " could ",   " couldnt ", " does ",  " doesnt ",
        " has ",  " would ", " wouldnt ", " should ",  " must ",  " fails ",
        " est ",  " nest ",  " ist ",     " es ",      " no es "}) {
    if (words.starts_with(verb)) return Remark::kDenies;
  }
  return Remark::kNone;
}

}  // namespace

bool DeniesOption(std::string_view before, std::string_view behind) {
  if (RemarkIn(behind.substr(0, std::min<size_t>(behind.find_first_of("\n.;"), 60))) ==
      Remark::kDenies) {
    return true;
  }
  while (before.ends_with('(') || before.ends_with(' ')) before.remove_suffix(1);
  for (const std::string_view word : {" option", " choice", " answer"}) {
    if (before.ends_with(word)) before = Trim(before.substr(0, before.size() - word.size()));
  }
  for (const std::string_view word :
       {" not", "n't be", "n't", "cannot be", " non", " rather than", " instead of", " nor",
        " rule out", " eliminate", " exclude", "不是", "而非", "排除"}) {
    if (before.ends_with(word)) return true;
  }
  return false;
}

std::optional<Choice> ParseChoice(std::string_view text) {
  if (text.size() > 400) return std::nullopt;
  const std::string plain = Unwrap(text);
  std::string_view rest = plain;
  for (const std::string_view word : {"Option ", "option ", "Choice ", "choice ", "故", "应",
                                      "选项", "选择", "选", "答案是", "答案为"}) {
    if (rest.starts_with(word)) rest = Trim(rest.substr(word.size()));
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
  for (const std::string_view word : {"选项", "项"}) {
    if (rest.starts_with(word)) rest.remove_prefix(word.size());
  }
  if (bracket && !closed) return std::nullopt;
  const bool marked =
      closed || rest.starts_with(". ") || rest.starts_with(": ") || rest == "." || rest == ":";
  if (marked) rest.remove_prefix(1);
  if (!choice.lower && SetsOptionsAside(rest)) return choice;
  const bool spaced = rest.starts_with(' ');
  rest = Trim(rest);
  if (rest.empty()) return choice;
  const Remark remark = RemarkIn(rest);
  if (choice.lower || remark == Remark::kDenies) return std::nullopt;
  if (remark == Remark::kAffirms) return choice;
  if (HasOption(rest)) return std::nullopt;
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
