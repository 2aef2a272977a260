#pragma once

#include <memory>
#include <string>

namespace cohort::rl {

// A compiled PCRE2 pattern (UTF-8). Immutable.
class TextPattern {
 public:
  // kUsage with the position of what PCRE2 refuses; `origin` names where the pattern came from.
  TextPattern(const std::string& pattern, const std::string& origin);
  ~TextPattern();

  // `text` without every match. kUsage when matching exceeds PCRE2's step limit or the text is not
  // UTF-8.
  std::string RemoveFrom(const std::string& text) const;

 private:
  struct Code;
  std::unique_ptr<const Code> code_;
};

}  // namespace cohort::rl
