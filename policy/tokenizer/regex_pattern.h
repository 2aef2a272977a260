#pragma once

// A regular expression of tokenizer.json (Oniguruma's dialect there) run by PCRE2 with UTF and
// Unicode properties, compiled to machine code where PCRE2 can.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_place.h"
#include "base/regex.h"

namespace cohort::policy {

// Immutable; safe to share between threads.
class RegexPattern {
 public:
  // kUsage naming the pattern and the offset of the first thing not understood.
  explicit RegexPattern(const std::string& pattern);

  // Calls sink(begin, end) for each non-empty match, left to right. `text` must be valid UTF-8.
  template <typename Sink>
  void ForEachMatch(std::string_view text, Sink&& sink) const {
    base::RegexMatches matches(*regex_, text);
    while (matches.Next()) sink(matches.begin(), matches.end());
    if (const std::string failure = matches.failure(); !failure.empty()) GiveUp(failure);
  }

 private:
  [[noreturn]] void GiveUp(const std::string& failure) const;

  std::string source_;
  std::optional<base::Regex> regex_;  // always there once constructed
};

// The pattern that a JSON file holds there; kUsage naming the place too.
RegexPattern CompileRegex(const base::JsonPlace& pattern);

}  // namespace cohort::policy
