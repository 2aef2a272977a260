#pragma once

// A regular expression of tokenizer.json, in the dialect that Hugging Face tokenizers reads it in
// (Oniguruma's Ruby syntax): run by PCRE2's machine code where both match alike, else by Oniguruma.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_place.h"
#include "base/regex.h"
#include "policy/tokenizer/oniguruma_pattern.h"

namespace cohort::policy {

// Immutable; safe to share between threads.
class RegexPattern {
 public:
  // kUsage naming the pattern and what was not understood.
  explicit RegexPattern(const std::string& pattern);

  // Calls sink(begin, end) for each match, left to right. An empty one counts, except right behind
  // another. `text` must be valid UTF-8.
  template <typename Sink>
  void ForEachMatch(std::string_view text, Sink&& sink) const {
    if (oniguruma_.has_value()) {
      if (const std::string failure = oniguruma_->ForEachMatch(text, sink); !failure.empty()) {
        GiveUp(failure);
      }
      return;
    }
    base::RegexMatches matches(*regex_, text);
    while (matches.Next()) sink(matches.begin(), matches.end());
    if (const std::string failure = matches.failure(); !failure.empty()) GiveUp(failure);
  }

  // Whether PCRE2's machine code runs it.
  bool is_fast() const { return regex_.has_value(); }

 private:
  [[noreturn]] void GiveUp(const std::string& failure) const;

  std::string source_;
  std::optional<base::Regex> regex_;  // one of the two is there once constructed
  std::optional<OnigurumaPattern> oniguruma_;
};

// The pattern that a JSON file holds there; kUsage naming the place too.
RegexPattern CompileRegex(const base::JsonPlace& pattern);

}  // namespace cohort::policy
