#pragma once

// Where in a text the final answer stands.

#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward::math {

struct ExtractedAnswer {
  std::string text;
  const char* source = "";  // "boxed", "answer tag", "####", "answer phrase", "last formula", ...
  bool cut_off = false;     // a box that was never closed: no answer to be paid for
};

// Of a whole response, the text after its last </think>; nullopt when there is none, or the
// <think> is still open. In this order: the last non-empty \boxed{} (several joined by commas,
// "and" or "or" are one list); <answer>; ####; a phrase such as "A:", "the answer is", "Answer:";
// the last formula or number; the last option letter. Only the last kMaxResponseTail bytes are
// searched; linear time.
std::optional<ExtractedAnswer> ExtractFromResponse(std::string_view response);

// Of a text that is an answer already, perhaps with a sentence around it: the box, the whole
// formula, what follows "the answer is", or the only formula between words; else all of it. Never
// one of several.
ExtractedAnswer ExtractFromAnswer(std::string_view text);

}  // namespace cohort::reward::math
