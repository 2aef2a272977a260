#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "reward/grader.h"

namespace cohort::reward {

// A compiled PCRE2 pattern whose matching is bounded in steps, memory and time. Thread-safe.
class Regex {
 public:
  enum class Outcome { kMatch, kNoMatch, kTooManySteps, kOutOfTime, kFailed };

  // Errors: kUsage with the place in the pattern.
  explicit Regex(const std::string& pattern);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  // `subject` must be valid UTF-8.
  Outcome MatchFull(std::string_view subject, const Budget& budget) const;
  Outcome Search(std::string_view subject, const Budget& budget) const;

 private:
  struct Compiled;
  Outcome Try(const Compiled& code, std::string_view subject, size_t start,
              size_t last_start) const;

  std::unique_ptr<Compiled> full_;
  std::unique_ptr<Compiled> search_;
};

}  // namespace cohort::reward
