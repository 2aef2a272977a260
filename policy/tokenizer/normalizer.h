#pragma once

// The `normalizer` of tokenizer.json: NFC, Replace, Prepend and Sequence of these.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_place.h"
#include "policy/tokenizer/regex_pattern.h"

namespace cohort::policy {

// The text with `to` in place of every occurrence of `from`, which is not empty.
std::string ReplaceText(std::string_view text, const std::string& from, const std::string& to);

// Immutable; safe to share between threads.
class Normalizer {
 public:
  // kUsage naming the kind that is not supported. null: changes nothing.
  explicit Normalizer(const base::JsonPlace& json);

  // The text, in `storage` where it had to be changed. Bytes that are not UTF-8 stay as they are.
  std::string_view Normalize(std::string_view text, std::string* storage) const;
  bool empty() const { return steps_.empty(); }

 private:
  enum class EditKind { kNfc, kReplaceText, kReplaceMatches, kPrepend };
  struct Edit {
    EditKind kind;
    std::string from;                   // kReplaceText
    std::optional<RegexPattern> regex;  // kReplaceMatches
    std::string text;                   // what is put in
  };

  void AddSteps(const base::JsonPlace& json, int depth);
  static std::string Apply(const Edit& step, std::string_view text);

  std::vector<Edit> steps_;
};

}  // namespace cohort::policy
