#include "reward/math/extract/phrase.h"

#include <algorithm>
#include <array>

#include "reward/math/parse/characters.h"
#include "reward/text/answer_text.h"

namespace cohort::reward::math {
namespace {

bool EndsAWord(std::string_view text, size_t i) { return i >= text.size() || !IsLetter(text[i]); }

// `rest` follows the word "answer".
Phrase BehindAnswer(std::string_view rest) {
  static constexpr std::array<std::string_view, 16> kDenials = {
      " isn't",       " isn\u2019t",    " isnt",        " cannot be",
      " can't be",    " can\u2019t be", " can not be",  " could not be",
      " couldn't be", " won't be",      " will not be", " would not be",
      " wouldn't be", " should not be", " must not be", " may not be"};
  for (const std::string_view denial : kDenials) {
    if (rest.starts_with(denial)) return {denial.size(), true};
  }
  static constexpr std::array<std::string_view, 10> kVerbs = {
      " is",  "s are",    " would be",  " should be", " must be",
      " was", " will be", " has to be", " equals",    " comes out to"};
  for (const std::string_view verb : kVerbs) {
    if (!rest.starts_with(verb) || !EndsAWord(rest, verb.size())) continue;
    return {verb.size(), IsDenied(rest.substr(verb.size()))};
  }
  static constexpr std::array<std::string_view, 7> kMarks = {
      ":", " :", " =", "**:", "**", "\uFF1A", "__:"};
  for (const std::string_view mark : kMarks) {
    if (rest.starts_with(mark)) return {mark.size(), false};
  }
  for (const std::string_view opening : {" $", " \\(", " \\["}) {
    if (rest.starts_with(opening)) return {1, false};
  }
  return {};
}

// Phrases without the English word.
constexpr std::array<std::string_view, 25> kOtherPhrases = {
    "答案是",    "答案】",       "答案应为",   "答案应该是",  "答案就是", "选项为",    "答案为",
    "答案：",    "答案:",        "故选",       "应选",        "选项是",   "ponse est", "ponse :",
    "ponse:",    "respuesta es", "respuesta:", "antwort ist", "antwort:", "risposta:", "resposta:",
    "choice is", "option is",    "\nans:",     "\na:"};

// Where 答案 is followed by how far the answer is bounded.
size_t BoundedHanPhrase(std::string_view lower) {
  constexpr std::string_view kAnswer = "答案";
  const size_t at = lower.rfind(kAnswer);
  if (at == lower.npos) return lower.npos;
  const std::string_view rest = lower.substr(at + kAnswer.size());
  for (const std::string_view bound : {"至少", "至多", "最多", "最少", "不大于", "不小于", "不超过",
                                       "大于", "小于", "超过", "少于", "多于"}) {
    if (rest.starts_with(bound)) return at + kAnswer.size();
  }
  return lower.npos;
}

// The line before the word "answer", without the words between: "the", "that the final" and so on.
std::string_view BeforeAnswer(std::string_view before) {
  before = before.substr(before.rfind('\n') + 1);
  before = Trim(before.substr(before.size() - std::min<size_t>(before.size(), 200)));
  static constexpr std::array<std::string_view, 13> kBetween = {
      "the",     "that",  "our",  "my",     "your", "its", "final",
      "correct", "right", "true", "actual", "to",   "a"};
  for (int words = 0; words < 6; ++words) {
    const size_t begin = before.rfind(' ') + 1;
    const std::string_view word = before.substr(begin);
    if (std::find(kBetween.begin(), kBetween.end(), word) == kBetween.end()) break;
    before = Trim(before.substr(0, begin));
  }
  return before;
}

bool EndsWithWords(std::string_view text, std::string_view words) {
  return text.ends_with(words) &&
         (text.size() == words.size() || !IsLetter(text[text.size() - words.size() - 1]));
}

// "if the answer is 8": nothing is stated.
bool IsSupposed(std::string_view before) {
  for (const std::string_view word :
       {"if", "suppose", "supposing", "assume", "assuming", "whether", "imagine"}) {
    if (EndsWithWords(before, word)) return true;
  }
  return false;
}

// "I don't think the answer is 8", "it is not the case that the answer is 8".
bool IsDeniedBefore(std::string_view before) {
  for (const std::string_view verb : {"think", "believe", "mean", "say", "conclude", "claim"}) {
    if (!EndsWithWords(before, verb)) continue;
    const std::string_view front = Trim(before.substr(0, before.size() - verb.size()));
    for (const std::string_view denial : {"n't", "n\u2019t", "not", "cannot", "never"}) {
      if (front.ends_with(denial)) return true;
    }
  }
  for (const std::string_view words :
       {"i doubt", "we doubt", "not the case", "not true", "n't true", "n't the case", "no way",
        "not correct", "is false", "is wrong", "is incorrect", "is impossible"}) {
    if (EndsWithWords(before, words) || (words[0] == 'n' && before.ends_with(words))) return true;
  }
  return false;
}

}  // namespace

bool IsDenied(std::string_view rest) {
  for (int words = 0; words < 4; ++words) {
    rest = Trim(rest.substr(0, 80));
    const size_t end = std::min(rest.find_first_of(" ,.\n"), rest.size());
    const std::string_view word = rest.substr(0, end);
    if (word == "not" || word == "never" || word == "neither") return true;
    const bool adverb = word.ends_with("ly") || word == "therefore" || word == "thus" ||
                        word == "then" || word == "hence" || word == "also" || word == "just";
    if (!adverb) return false;
    rest.remove_prefix(end);
  }
  return false;
}

Phrase LastPhrase(std::string_view lower, size_t limit) {
  constexpr std::string_view kAnswer = "answer";
  Phrase last;
  lower = lower.substr(0, limit);
  for (size_t at = lower.rfind(kAnswer); at != lower.npos;
       at = at == 0 ? lower.npos : lower.rfind(kAnswer, at - 1)) {
    const size_t end = at + kAnswer.size();
    const Phrase phrase = BehindAnswer(lower.substr(end));
    if (phrase.end == lower.npos) continue;
    const std::string_view before = BeforeAnswer(lower.substr(0, at));
    const bool denied = IsDeniedBefore(before);
    if (!denied && IsSupposed(before)) continue;
    last = {end + phrase.end, phrase.denies || denied};
    break;
  }
  const auto later = [&](size_t end) { return last.end == lower.npos || end > last.end; };
  for (const std::string_view phrase : kOtherPhrases) {
    const size_t at = lower.rfind(phrase);
    if (at == lower.npos || !later(at + phrase.size())) continue;
    const size_t end = at + phrase.size();
    last = {end, IsDenied(lower.substr(end)) || lower.substr(end).starts_with("n't")};
  }
  if (const size_t end = BoundedHanPhrase(lower); end != lower.npos && later(end)) {
    last = {end, false};
  }
  for (const std::string_view front : {"a:", "ans:"}) {
    if (last.end == lower.npos && lower.starts_with(front)) last = {front.size(), false};
  }
  return last;
}

}  // namespace cohort::reward::math
