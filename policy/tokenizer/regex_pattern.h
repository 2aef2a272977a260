#pragma once

// A regular expression of tokenizer.json (Oniguruma's dialect there) run by PCRE2 with UTF and
// Unicode properties, compiled to machine code where PCRE2 can.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_place.h"

namespace cohort::policy {

// Immutable; safe to share between threads.
class RegexPattern {
 public:
  // kUsage naming the pattern and the offset of the first thing not understood.
  explicit RegexPattern(const std::string& pattern);

  // Calls sink(begin, end) for each non-empty match, left to right. `text` must be valid UTF-8.
  template <typename Sink>
  void ForEachMatch(std::string_view text, Sink&& sink) const {
    Matcher matcher(*this, text);
    for (size_t begin, end; matcher.Next(&begin, &end);) sink(begin, end);
  }

 private:
  struct Code;
  class Matcher {
   public:
    Matcher(const RegexPattern& pattern, std::string_view text);
    bool Next(size_t* begin, size_t* end);

   private:
    const Code& code_;
    std::string_view text_;
    size_t position_ = 0;
  };

  std::shared_ptr<const Code> code_;
};

// The pattern that a JSON file holds there; kUsage naming the place too.
RegexPattern CompileRegex(const base::JsonPlace& pattern);

}  // namespace cohort::policy
