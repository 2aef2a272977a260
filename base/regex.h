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

// A compiled pattern. Immutable; copies share it; safe to use on many threads at once.
class Regex {
 public:
  static std::variant<Regex, RegexFault> Compile(const std::string& pattern,
                                                 const RegexSettings& settings);

  // Whether a text has a match, an empty one too. `text` must be valid UTF-8; `out_of_time` is
  // asked between runs over a few places.
  RegexOutcome SearchUntil(std::string_view text, const std::function<bool()>& out_of_time) const;

  // `text` without every match. Errors: kUsage for a text that needs too many steps or is not
  // UTF-8.
  std::string RemoveMatches(const std::string& text) const;

 private:
  friend class RegexMatches;
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}

  std::shared_ptr<const Code> code_;
};

// The non-empty matches in a text, left to right. Pattern and text must outlive it.
class RegexMatches {
 public:
  // `text` must be valid UTF-8.
  RegexMatches(const Regex& regex, std::string_view text) : code_(*regex.code_), text_(text) {}

  // False behind the last match, and when PCRE2 gave up: failure() then says why.
  bool Next();
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }
  std::string failure() const;  // "" when all matches were found

 private:
  const Regex::Code& code_;
  const std::string_view text_;
  size_t position_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  int error_ = 0;  // PCRE2's number
};

}  // namespace cohort::base
