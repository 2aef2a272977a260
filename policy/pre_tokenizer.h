#pragma once

// Cuts a text into the words that byte-pair encoding then merges within: the `pre_tokenizer` of
// tokenizer.json. Known kinds: ByteLevel, Digits, Split, Sequence.

#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/regex_pattern.h"

namespace cohort::policy {

// Immutable; safe to share between threads.
class PreTokenizer {
 public:
  // kUsage naming `source` and the kind that is not supported.
  PreTokenizer(const nlohmann::json& json, const std::string& source);

  // The words of `text` (valid UTF-8), in order. Words point into `text` or into `storage`.
  std::vector<std::string_view> Split(std::string_view text,
                                      std::deque<std::string>* storage) const;

 private:
  enum class Behavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };
  struct Step {
    bool add_prefix_space = false;
    std::optional<RegexPattern> pattern;
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;
  };

  void AddSteps(const nlohmann::json& json, const std::string& source, int depth);
  void AddSplit(const nlohmann::json& json, const std::string& source);
  static Behavior ParseBehavior(const std::string& name, const std::string& source);
  static void Apply(const Step& step, std::string_view text, std::vector<std::string_view>* words);

  std::vector<Step> steps_;
};

}  // namespace cohort::policy
