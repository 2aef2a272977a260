#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cohort::reward::math {

// The option of a multiple-choice question: "C", "(C)", "(C) 12", "C. 12", "C Cecile", "C, not A".
struct Choice {
  char letter;         // 'A' to 'J'
  std::string value;   // what stands behind the letter; empty for the letter alone
  bool lower = false;  // written in lower case, which only answers a question with options
};

// nullopt for texts of another shape, where a second option's letter follows, and where what stands
// behind the letter denies it: "(C) is wrong".
std::optional<Choice> ParseChoice(std::string_view text);

// Whether the words around an option's letter say that it is not the answer: "not " before it,
// " is wrong" behind it.
bool DeniesOption(std::string_view before, std::string_view behind);

}  // namespace cohort::reward::math
