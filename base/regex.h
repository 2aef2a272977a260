#pragma once

// Perl-compatible regular expressions on UTF-8 (PCRE2), their work bounded.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace cohort::base {

struct RegexSettings {
  bool unicode_classes = true;  // \w, \d and [[:alpha:]] know all of Unicode, not ASCII alone
  bool whole_text = false;      // a match begins and ends where the text does
  // Several times as fast where PCRE2 can compile for this machine. The bounds below are then
  // PCRE2's own, and SearchUntil cannot be used.
  bool machine_code = false;
  uint32_t max_steps = 10'000'000;  // for each place where a match may begin
  uint32_t max_heap_kib = 20'000'000;
};

// Why a pattern is refused: PCRE2's words, and the byte of the pattern where it stopped reading.
struct RegexFault {
  std::string message;
  size_t offset;
};

enum class RegexOutcome { kMatch, kNoMatch, kTooManySteps, kOutOfTime, kFailed };

struct RegexMatch {
  RegexOutcome outcome;
  size_t begin = 0;  // with kMatch
  size_t end = 0;
  int error = 0;  // PCRE2's number, with kTooManySteps and kFailed; see Regex::ErrorText
};

// A compiled pattern. Immutable; copies share it; safe to use on many threads at once.
class Regex {
 public:
  static std::variant<Regex, RegexFault> Compile(const std::string& pattern,
                                                 const RegexSettings& settings);

  // The first match at or behind `start`. `text` must be valid UTF-8.
  RegexMatch Find(std::string_view text, size_t start = 0) const;

  // Whether there is a match. `out_of_time` is asked between runs over a few places.
  RegexOutcome SearchUntil(std::string_view text, const std::function<bool()>& out_of_time) const;

  // `text` without every match. Errors: kUsage for a text that needs too many steps or is not
  // UTF-8.
  std::string RemoveMatches(const std::string& text) const;

  static std::string ErrorText(int error);

 private:
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  RegexMatch Interpret(std::string_view text, size_t start, size_t last_start) const;

  std::shared_ptr<const Code> code_;
};

}  // namespace cohort::base
