#pragma once

// Cuts a text into the words that byte-pair encoding then merges within: the `pre_tokenizer` of
// tokenizer.json. Known kinds: ByteLevel, Digits, Split, Metaspace, Sequence.

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_place.h"
#include "policy/tokenizer/regex_pattern.h"

namespace cohort::policy {

// Immutable; safe to share between threads.
class PreTokenizer {
 public:
  // kUsage naming the kind that is not supported. null: the whole text is one word.
  explicit PreTokenizer(const base::JsonPlace& json);

  // The words of `text` (valid UTF-8), in order. Words point into `text` or into `storage`.
  // `begins_text`: nothing stands before it, not even an added token.
  std::vector<std::string_view> Split(std::string_view text, bool begins_text,
                                      std::deque<std::string>* storage) const;
  bool empty() const { return steps_.empty(); }

 private:
  enum class Behavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Prefix { kNever, kFirst, kAlways };
  struct CutStep {
    std::string space_mark;          // what Metaspace writes for a space; empty: spaces stay
    Prefix prefix = Prefix::kNever;  // put before a word that lacks it: the mark, or a space
    std::optional<RegexPattern> pattern;
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;
  };

  void AddSteps(const base::JsonPlace& json, int depth);
  void AddSplit(const base::JsonPlace& json);
  void AddMetaspace(const base::JsonPlace& json);
  static Behavior ParseBehavior(const base::JsonPlace& name);
  static void Rewrite(const CutStep& step, bool begins_text, std::vector<std::string_view>* words,
                      std::deque<std::string>* storage);
  static void Apply(const CutStep& step, std::string_view text,
                    std::vector<std::string_view>* words);

  std::vector<CutStep> steps_;
};

}  // namespace cohort::policy
