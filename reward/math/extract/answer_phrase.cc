#include "reward/math/extract/answer_phrase.h"

#include <algorithm>
#include <array>

#include "reward/math/extract/phrase.h"
#include "reward/math/extract/sentence.h"
#include "reward/math/parse/calendar.h"
#include "reward/math/parse/characters.h"
#include "reward/math/parse/choice.h"
#include "reward/math/parse/compound_quantity.h"
#include "reward/math/parse/formula.h"
#include "reward/math/parse/macro_table.h"
#include "reward/math/parse/number_words.h"
#include "reward/text/answer_text.h"

namespace cohort::reward::math {
namespace {

using Extracted = std::optional<ExtractedAnswer>;

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
    const std::string_view rest = text.substr(i);
    if (stop || text[i] == '\n' || rest.starts_with("<|") || rest.starts_with("。")) {
      return text.substr(0, i);
    }
  }
  return text;
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

// Whether a text is an answer and no more.
bool StandsAlone(std::string_view text) {
  if (text.empty()) return false;
  if ((!IsSentence(text) && IsFormulaText(text)) || ParseChoice(text) || IsOneAnswer(text)) {
    return true;
  }
  const bool counts = text.find_first_of("0123456789") != std::string_view::npos &&
                      std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
  return text.find(' ') == std::string_view::npos && !counts;  // a word, and no Chinese sentence
}

// The word at the front of a text, in lower case.
std::string_view FirstWord(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && (IsLetter(text[end]) || text[end] == '\'')) ++end;
  return text.substr(0, end);
}

// Whether a clause begins here that says why the answer holds or what it is not. `comma`: a comma
// stands before it, and any pronoun or conjunction may begin it.
bool OpensClause(std::string_view lower, bool comma) {
  static constexpr std::array<std::string_view, 22> kAnywhere = {
      "because", "since",    "not",     "rather",   "instead",  "which", "who",  "whose",
      "where",   "so",       "due",     "unless",   "though",   "hence", "thus", "therefore",
      "meaning", "although", "whereas", "assuming", "provided", "given"};
  static constexpr std::array<std::string_view, 29> kBehindComma = {
      "as",    "for",    "when",     "if",  "while", "with", "we",  "it",    "this", "that",
      "they",  "the",    "he",       "she", "there", "in",   "by",  "after", "from", "giving",
      "using", "making", "obtained", "but", "i.e",   "i",    "its", "it's",  "these"};
  const std::string_view word = FirstWord(lower);
  const auto is_word = [&](std::string_view other) { return other == word; };
  if (std::any_of(kAnywhere.begin(), kAnywhere.end(), is_word)) return true;
  if (comma && word == "and") return OpensClause(Trim(lower.substr(3)), true);
  if (word == "i" && !lower.starts_with("i.e") && !lower.starts_with("i ")) return false;
  return comma && std::any_of(kBehindComma.begin(), kBehindComma.end(), is_word);
}

// "(see step 2)", "(twelve)": brackets around words, not "(mod 7)" or "(pi, 3)".
bool OpensRemark(std::string_view lower) {
  const std::string_view word = FirstWord(lower);
  return word.size() > 1 && word != "mod" && !WordMeaning(word);
}

// The sentence without the clause behind its answer.
std::string_view WithoutClause(std::string_view sentence) {
  const std::vector<Formula> formulas = FormulasIn(sentence);
  const std::string lower = LowerCase(sentence);
  const std::string_view view = lower;
  size_t formula = 0;
  constexpr size_t kReach = 600;  // an answer that is longer has no clause to be cut
  for (size_t i = 1; i < std::min(sentence.size(), kReach); ++i) {
    while (formula < formulas.size() && formulas[formula].end <= i) ++formula;
    if (formula < formulas.size() && i > formulas[formula].begin) {
      i = formulas[formula].end - 1;
      continue;
    }
    const std::string_view rest = view.substr(i);
    const std::string_view head = Trim(sentence.substr(0, i));
    const bool punctuation = rest[0] == ',' || rest[0] == ';';
    const bool dash = rest.starts_with(" — ") || rest.starts_with(" – ") || rest.starts_with(" - ");
    if (punctuation && OpensClause(Trim(rest.substr(1)), true)) return head;
    if (dash && OpensRemark(Trim(rest.substr(rest.find(' ', 1))))) return head;
    const bool mark = rest.starts_with("，") || rest.starts_with("** ");
    if (mark && StandsAlone(head)) return head;
    if (rest.starts_with("因为") || rest.starts_with("不是") || rest.starts_with("而不是")) {
      if (StandsAlone(head)) return head;
    }
    if (rest[0] != ' ') continue;
    const bool remark = rest.starts_with(" (") && OpensRemark(rest.substr(2));
    if ((remark || OpensClause(rest.substr(1), false)) && StandsAlone(WithoutMarks(head))) {
      return head;
    }
  }
  return sentence;
}

// Words that say less than a value does, before or behind it.
bool IsBounded(std::string_view sentence) {
  const std::string lower = LowerCase(sentence.substr(0, 60));
  for (const std::string_view bound :
       {"not ",         "n't ",         "never ",         "less than",
        "more than",    "at most",      "at least",       "greater than",
        "no more than", "no less than", "fewer than",     "over ",
        "smaller than", "larger than",  "bigger than",    "below ",
        "above ",       "up to ",       "different from", "other than",
        "under ",       "neither ",     "anything but",   "definitely not",
        "unknown",      "closer to ",   "no fewer than",  "no greater than",
        "不是",         "小于",         "大于",           "至少",
        "至多",         "不超过",       "不大于",         "不小于",
        "最多",         "最少",         "超过",           "少于",
        "多于"}) {
    if (lower.starts_with(bound)) return true;
  }
  const std::string end =
      LowerCase(sentence.substr(sentence.size() - std::min<size_t>(sentence.size(), 60)));
  for (const std::string_view bound :
       {" at most", " at least", " or more", " or less", " or fewer", " or greater", " or higher",
        " or lower", " or above", " or below", " or larger", " or smaller", " and above",
        " and below", "以上", "以下"}) {
    if (end.ends_with(bound)) return true;
  }
  return false;
}

// "in 12 months" behind another number tells when, and is no answer.
std::string_view WithoutCircumstance(std::string_view sentence) {
  static constexpr std::array<std::string_view, 9> kPrepositions = {
      " in ", " within ", " after ", " dans ", " en ", " d'ici ", " nach ", " durante ", " per "};
  for (const std::string_view word : kPrepositions) {
    const size_t at = sentence.rfind(word);
    if (at == std::string_view::npos) continue;
    const std::string_view before = sentence.substr(0, at);
    const std::string_view behind = Trim(sentence.substr(at + word.size()));
    const bool number = !behind.empty() && IsDigit(behind[0]);
    const bool other = before.find_first_of("0123456789") != std::string_view::npos;
    if (number && other && behind.find('=') == std::string_view::npos) return before;
  }
  return sentence;
}

// The longest run of words at the front that is a formula, before plain words: the "12 apples" of
// "12 apples in total". Empty where there is none.
std::string_view LeadingFormula(std::string_view sentence) {
  constexpr size_t kMaxWords = 12;
  static constexpr std::array<std::string_view, 9> kGoOn = {
      "or", "and", "to", "times", "plus", "minus", "over", "divided", "multiplied"};
  static constexpr std::array<std::string_view, 10> kJoins = {"of",   "in",   "for", "at",  "by",
                                                              "with", "from", "on",  "per", "each"};
  std::vector<size_t> blanks;
  for (size_t i = 0; i < sentence.size() && blanks.size() < kMaxWords; ++i) {
    if (sentence[i] == ' ') blanks.push_back(i);
  }
  for (size_t i = blanks.size(); i-- > 0;) {
    const std::string_view front = Trim(sentence.substr(0, blanks[i]));
    const std::string_view rest = Trim(sentence.substr(blanks[i]));
    const std::string word = LowerCase(FirstWord(rest));
    const bool foreign = !rest.empty() && (rest[0] & 0x80) != 0;
    const bool goes_on = std::find(kGoOn.begin(), kGoOn.end(), word) != kGoOn.end();
    const std::string_view last = front.substr(front.rfind(' ') + 1);
    const bool joins = std::find(kJoins.begin(), kJoins.end(), last) != kJoins.end();
    if ((word.size() < 2 && !foreign) || goes_on || joins || front.ends_with(',')) continue;
    if (!IsSentence(front) && IsFormulaText(front)) return front;
  }
  return {};
}

// The answer that a sentence behind an answer phrase states.
Extracted Stated(std::string_view text) {
  std::string_view sentence = WithoutMarks(Sentence(WithoutMarks(text)));
  const bool exclaims =
      sentence.ends_with('!') && sentence.find_first_of("$\\") == std::string_view::npos;
  if (exclaims) sentence = Trim(sentence.substr(0, sentence.size() - 1));
  if (sentence.empty() || sentence.starts_with("\\boxed{}")) return std::nullopt;
  const auto found = [](std::string_view answer) {
    return ExtractedAnswer{std::string(answer), "answer phrase"};
  };
  if (IsBounded(sentence)) return found(sentence);
  if (LeadsWithOption(sentence)) return found(sentence.substr(0, 1));
  if (ParseChoice(sentence)) return found(sentence);
  sentence = WithoutMarks(WithoutClause(sentence));
  const std::vector<Formula> formulas = FormulasIn(sentence);
  if (formulas.size() == 1 && formulas[0].begin == 0) {
    const std::string_view body = Trim(formulas[0].body);
    if (body.size() > 1 || formulas[0].end == sentence.size()) return found(body);
  }
  if (StandsAlone(sentence)) return found(sentence);
  if (formulas.empty()) {
    const bool number = IsDigit(sentence[0]) || (sentence.size() > 1 && IsDigit(sentence[1]));
    if (number) {
      if (const auto leading = LeadingFormula(sentence); !leading.empty()) return found(leading);
    }
    sentence = WithoutCircumstance(sentence);
  }
  if (auto last = LastFormulaOrNumber(sentence)) return found(*last);
  if (sentence.size() > 200) return std::nullopt;
  return found(sentence);
}

// The answer said in place of one that is denied: "not 5 but 7", "not 5; it is 7".
std::optional<std::string_view> Correction(std::string_view text) {
  const std::string_view sentence = Sentence(WithoutMarks(text));
  const std::string lower = LowerCase(sentence);
  for (const std::string_view word :
       {"but rather ", "but instead ", "but ", "rather ", "instead ", "it is ", "it's ", "而是"}) {
    const size_t at = lower.rfind(word);
    if (at == std::string::npos || at == 0 || IsLetter(lower[at - 1])) continue;
    const std::string_view behind = Trim(sentence.substr(at + word.size()));
    if (behind.find_first_of("0123456789$\\") != std::string_view::npos) return behind;
    if (ParseChoice(behind)) return behind;
  }
  return std::nullopt;
}

// "so 12 is the answer": what stands before the last such phrase, in its sentence; nullopt where
// the phrase is absent, or another one follows.
Extracted StatedBefore(std::string_view text, std::string_view lower) {
  size_t at = std::string_view::npos;
  for (const std::string_view phrase :
       {" is the answer", " is the final answer", " is the correct answer", " is our answer",
        " is my answer", " is our final answer", " is my final answer"}) {
    const size_t found = lower.rfind(phrase);
    if (found == lower.npos || (at != lower.npos && found < at)) continue;
    // "is the answer to", "is the answer is" state nothing, or state it behind.
    const std::string_view rest = lower.substr(found + phrase.size());
    if (rest.empty() || std::string_view(".,;!\n*").find(rest[0]) != rest.npos) at = found;
  }
  if (at == lower.npos) return std::nullopt;
  const Phrase later = LastPhrase(lower, lower.size());
  if (later.end != lower.npos && later.end > at) return std::nullopt;
  size_t begin = at;
  while (begin > 0 && lower[begin - 1] != '\n' &&
         !(lower[begin - 1] == ' ' && begin > 1 &&
           (lower[begin - 2] == '.' || lower[begin - 2] == '!'))) {
    --begin;
  }
  const std::string_view sentence = Trim(text.substr(begin, at - begin));
  if (auto found = LastFormulaOrNumber(sentence)) {
    return ExtractedAnswer{std::move(*found), "answer phrase"};
  }
  if (auto letter = LastOption(sentence)) {
    return ExtractedAnswer{std::move(*letter), "answer phrase"};
  }
  return std::nullopt;
}

}  // namespace

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

bool IsOneAnswer(std::string_view text) {
  return ParseDate(text).has_value() || IsCompoundQuantity(text) || RatioPhrase(text).has_value();
}

std::string_view WithoutMarks(std::string_view text) {
  constexpr std::string_view kMarks = " \t\r\n:*\"`";
  while (true) {
    const size_t first = text.find_first_not_of(kMarks);
    if (first == std::string_view::npos) return {};
    text = text.substr(first);
    text = text.substr(0, text.find_last_not_of(" \t\r\n*\"`") + 1);
    if (text.starts_with("\uFF1A")) {  // a full-width colon
      text.remove_prefix(3);
    } else if (text.size() > 4 && text.starts_with("__") && text.ends_with("__")) {
      text = text.substr(2, text.size() - 4);
    } else if (text.size() > 2 && text[0] == '_' && text.find('_', 1) == text.size() - 1) {
      text = text.substr(1, text.size() - 2);
    } else if (text.size() > 2 && text[0] == '\'' && text.find('\'', 1) == text.size() - 1) {
      text = text.substr(1, text.size() - 2);
    } else if (text.ends_with("__")) {
      text.remove_suffix(2);
    } else {
      return text;
    }
  }
}

Extracted AnswerPhrase(std::string_view text) {
  constexpr int kMaxDenials = 8;
  const std::string lower = LowerCase(text);
  if (auto before = StatedBefore(text, lower)) return before;
  Extracted denied;
  size_t limit = text.size();
  for (int i = 0; i < kMaxDenials; ++i) {
    const Phrase phrase = LastPhrase(lower, limit);
    if (phrase.end == std::string_view::npos) break;
    const std::string_view behind = text.substr(phrase.end);
    if (!phrase.denies) return Stated(behind);
    if (!denied) {
      if (const auto corrected = Correction(behind)) return Stated(*corrected);
      const std::string_view sentence = Sentence(WithoutMarks(behind));
      const size_t rest =
          sentence.empty() ? text.size()
                           : static_cast<size_t>(sentence.data() - text.data()) + sentence.size();
      if (auto later = LastFormulaOrNumber(text.substr(rest))) {
        return ExtractedAnswer{std::move(*later), "last formula"};
      }
      const std::string front = IsDenied(LowerCase(sentence.substr(0, 80))) ? "" : "not ";
      denied = ExtractedAnswer{front + std::string(Trim(sentence)), "denied"};
    }
    const size_t word = lower.rfind("answer", phrase.end);
    limit = std::min(word == std::string::npos ? 0 : word, phrase.end - 1);
  }
  return denied;
}

std::string_view BehindAnswerPhrase(std::string_view text) {
  const Phrase phrase = LastPhrase(LowerCase(text), text.size());
  if (phrase.end == std::string_view::npos || phrase.denies) return {};
  return text.substr(phrase.end);
}

}  // namespace cohort::reward::math
