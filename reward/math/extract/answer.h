#pragma once

// Finds the final answer in a text.

#include <optional>
#include <string_view>

#include "reward/math/extract/answer_phrase.h"

namespace cohort::reward::math {

// Searches a whole response behind its last </think>; nullopt when it holds no answer, or when its
// <think> is still open. Tried in this order: the last non-empty \boxed{} (several joined by
// commas, "and" or "or" are one list); <answer>; ####; {"answer": ..}; a phrase such as "the answer
// is", "Answer:"; the last formula or number; the last option letter. Only the last
// kMaxResponseTail bytes are searched; linear time.
std::optional<ExtractedAnswer> ExtractFromResponse(std::string_view response);

// Searches a text that is an answer already, perhaps with a sentence around it: takes the box, the
// whole formula, the text behind "the answer is", or the only formula between words, and otherwise
// all of the text. It never picks one of several answers.
ExtractedAnswer ExtractFromAnswer(std::string_view text);

}  // namespace cohort::reward::math
