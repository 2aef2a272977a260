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

// nullopt for texts of another shape, and where a second option's letter follows.
std::optional<Choice> ParseChoice(std::string_view text);

}  // namespace cohort::reward::math
