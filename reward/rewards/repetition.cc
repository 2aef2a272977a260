// repetition: a penalty for saying the same again, after open-r1's reward (huggingface/open-r1,
// rewards.py, get_repetition_penalty_reward).

#include <algorithm>
#include <functional>

#include "base/utf8.h"
#include "reward/registry.h"
#include "reward/text/words.h"

namespace cohort::reward {
namespace {

std::vector<uint64_t> Units(std::string_view text, bool words) {
  const std::string folded = FoldText(text);
  std::vector<uint64_t> units;
  if (words) {
    for (const std::string_view word : SplitWords(folded)) {
      units.push_back(std::hash<std::string_view>()(word));
    }
    return units;
  }
  for (size_t at = 0; at < folded.size();) {
    const base::CodePoint point = base::DecodeUtf8(folded, at);
    units.push_back(point.value);
    at += point.length;
  }
  return units;
}

// 64-bit hashes of all runs of n units; equal runs have equal hashes, others hardly ever.
std::vector<uint64_t> HashNgrams(const std::vector<uint64_t>& units, size_t n) {
  std::vector<uint64_t> ngrams;
  for (size_t i = 0; i + n <= units.size(); ++i) {
    uint64_t hash = 0x9E3779B97F4A7C15;
    for (size_t j = 0; j < n; ++j) {
      hash = (hash ^ units[i + j]) * 0xD6E8FEB86659FD93;
      hash ^= hash >> 32;
    }
    ngrams.push_back(hash);
  }
  return ngrams;
}

class RepetitionGrader final : public Grader {
 public:
  explicit RepetitionGrader(const Options& options)
      : words_(options.OneOf("unit", "words", {"words", "characters"}) == "words"),
        n_(static_cast<size_t>(options.Integer("n", 3, 1, 64))) {}

  Grade Score(const Sample& sample, const Budget&) const override {
    std::vector<uint64_t> ngrams = HashNgrams(Units(sample.completion(), words_), n_);
    if (ngrams.empty()) return {0, STATUS_OK, "too short to repeat itself"};
    const auto total = static_cast<double>(ngrams.size());
    std::sort(ngrams.begin(), ngrams.end());
    const auto distinct =
        static_cast<double>(std::unique(ngrams.begin(), ngrams.end()) - ngrams.begin());
    return {distinct / total - 1, STATUS_OK,
            std::to_string(static_cast<int64_t>(total - distinct)) + " of " +
                std::to_string(static_cast<int64_t>(total)) + " runs occurred before"};
  }

 private:
  bool words_;
  size_t n_;
};

}  // namespace

RewardInfo RepetitionReward() {
  return {
      "repetition",
      "0 when no run of n words occurs twice, falling to -1 as the share of repeated runs grows",
      {{"n", "length of a run (default 3)"},
       {"unit", "words (default), or characters for scripts without spaces"}},
      [](const Options& options) { return std::make_unique<RepetitionGrader>(options); }};
}

}  // namespace cohort::reward
