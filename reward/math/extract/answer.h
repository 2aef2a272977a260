#pragma once

// Finds the final answer in a text.

#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward::math {

struct ExtractedAnswer {
  std::string text;
  const char* source = "";  // "boxed", "answer tag", "####", "answer phrase", "last formula", ...
  bool cut_off = false;     // a box that was never closed: no answer to be paid for
};

// Searches a whole response behind its last </think>; nullopt when it holds no answer, or when its
// <think> is still open. Tried in this order: the last non-empty \boxed{} (several joined by
// commas, "and" or "or" are one list); <answer>; ####; a phrase such as "A:", "the answer is",
// "Answer:"; the last formula or number; the last option letter. Only the last kMaxResponseTail
// bytes are searched; linear time.
std::optional<ExtractedAnswer> ExtractFromResponse(std::string_view response);

// Searches a text that is an answer already, perhaps with a sentence around it: takes the box, the
// whole formula, the text behind "the answer is", or the only formula between words, and otherwise
// all of the text. It never picks one of several answers.
ExtractedAnswer ExtractFromAnswer(std::string_view text);

}  // namespace cohort::reward::math
