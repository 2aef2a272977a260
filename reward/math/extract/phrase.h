#pragma once

#include <string_view>

namespace cohort::reward::math {

// A phrase that states an answer, such as "the answer is" or "答案是".
struct Phrase {
  size_t end = std::string_view::npos;  // where what it states begins; npos where there is none
  bool denies = false;                  // "the answer is not", "I don't think that the answer is"
};

// The last one that ends before `limit`, in a text of lower case. One that only supposes ("if the
// answer is") is none.
Phrase LastPhrase(std::string_view lower, size_t limit);

// Behind a verb: whether "not" or "never" follows, adverbs between them, as in "is definitely not".
bool IsDenied(std::string_view rest);

}  // namespace cohort::reward::math
