// repetition: a penalty for saying the same again, after open-r1's reward (huggingface/open-r1,
// rewards.py, get_repetition_penalty_reward).

#include <algorithm>
#include <functional>

#include "base/utf8.h"
#include "reward/registry.h"
#include "reward/text/script.h"
#include "reward/text/words.h"

namespace cohort::reward {
namespace {

// A word, or a character of a script that puts no spaces between words.
struct TextUnit {
  uint64_t hash = 0;
  int weight = 0;  // two such characters count as one word
};
constexpr int kWordWeight = 2;

bool IsWrittenWithoutSpaces(uint32_t code_point) {
  const Script script = ScriptOf(code_point);
  const bool is_mark = code_point >= 0x3001 && code_point <= 0x303F;  // 。、「」
  const bool is_south_east_asian = (code_point >= 0x0E00 && code_point <= 0x0EFF) ||
                                   (code_point >= 0x1000 && code_point <= 0x109F) ||
                                   (code_point >= 0x1780 && code_point <= 0x17FF);
  return script == Script::kHan || script == Script::kKana || is_mark || is_south_east_asian;
}

std::vector<TextUnit> Words(std::string_view text) {
  std::vector<TextUnit> units;
  const auto add = [&](std::string_view piece, int weight) {
    if (!piece.empty()) units.push_back({std::hash<std::string_view>()(piece), weight});
  };
  for (const std::string_view word : SplitWords(text)) {
    size_t begin = 0;
    for (size_t at = 0; at < word.size();) {
      const base::CodePoint point = base::DecodeUtf8(word, at);
      if (IsWrittenWithoutSpaces(point.value)) {
        add(word.substr(begin, at - begin), kWordWeight);
        add(word.substr(at, point.length), 1);
        begin = at + point.length;
      }
      at += point.length;
    }
    add(word.substr(begin), kWordWeight);
  }
  return units;
}

std::vector<TextUnit> Characters(std::string_view text) {
  std::vector<TextUnit> units;
  for (size_t at = 0; at < text.size();) {
    const base::CodePoint point = base::DecodeUtf8(text, at);
    units.push_back({point.value, kWordWeight});
    at += point.length;
  }
  return units;
}

// 64-bit hashes of all runs of n units; equal runs have equal hashes, others hardly ever.
std::vector<uint64_t> HashNgrams(const std::vector<TextUnit>& units, size_t n) {
  std::vector<uint64_t> ngrams;
  const int enough = static_cast<int>(n) * kWordWeight;
  for (size_t i = 0; i < units.size(); ++i) {
    uint64_t hash = 0x9E3779B97F4A7C15;
    int weight = 0;
    for (size_t j = i; j < units.size() && weight < enough; ++j) {
      weight += units[j].weight;
      hash = (hash ^ units[j].hash) * 0xD6E8FEB86659FD93;
      hash ^= hash >> 32;
    }
    if (weight < enough) break;
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
    const std::string text = FoldText(sample.completion());
    std::vector<uint64_t> ngrams = HashNgrams(words_ ? Words(text) : Characters(text), n_);
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
       {"unit",
        "words (default; two characters of Chinese, Japanese, Thai and other scripts without "
        "spaces "
        "count as one), or characters"}},
      [](const Options& options) { return std::make_unique<RepetitionGrader>(options); }};
}

}  // namespace cohort::reward
