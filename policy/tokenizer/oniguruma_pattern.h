#pragma once

// A regular expression run by Oniguruma itself, in the syntax (Ruby's) that Hugging Face tokenizers
// gives it: for the patterns that PCRE2 would read otherwise.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace cohort::policy {

// Immutable; copies share it; safe to share between threads.
class OnigurumaPattern {
 public:
  // Why a pattern is refused, in Oniguruma's words.
  struct Fault {
    std::string message;
  };
  static std::variant<OnigurumaPattern, Fault> Compile(const std::string& pattern);

  // Calls sink(begin, end) for each match, left to right; empty ones too, except right behind
  // another match. `text` must be valid UTF-8. Why it stopped early; "" when it did not.
  std::string ForEachMatch(std::string_view text,
                           const std::function<void(size_t begin, size_t end)>& sink) const;

 private:
  struct Code;
  explicit OnigurumaPattern(std::shared_ptr<const Code> code) : code_(std::move(code)) {}

  std::shared_ptr<const Code> code_;
};

}  // namespace cohort::policy
