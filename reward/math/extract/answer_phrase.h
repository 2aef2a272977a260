#pragma once

// The answer behind a phrase: "the answer is 12, since ...", "Answer: 12", "答案是12".

#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward::math {

struct ExtractedAnswer {
  std::string text;
  const char* source = "";  // "boxed", "answer tag", "####", "answer phrase", "last formula", ...
  bool cut_off = false;     // a box that was never closed: no answer to be paid for
};

// The answer behind the last phrase that states one: the formula, number, option or words that its
// sentence begins with, without the clause that explains it. A phrase that denies an answer ("is
// not 5") gives way to what corrects it, to the text behind it or to an earlier phrase; where there
// is none of these, and where an answer is only bounded ("at most 5"), it is the words themselves.
// nullopt where no phrase stands. Linear time.
std::optional<ExtractedAnswer> AnswerPhrase(std::string_view text);

// The text behind the last phrase that states an answer; empty where there is none.
std::string_view BehindAnswerPhrase(std::string_view text);

// Texts of several numbers that are one answer: dates, values in several units, "1 in 4".
bool IsOneAnswer(std::string_view text);

// The text without blanks, colons, quotes and Markdown's emphasis around it.
std::string_view WithoutMarks(std::string_view text);

std::string LowerCase(std::string_view text);  // ASCII

}  // namespace cohort::reward::math
