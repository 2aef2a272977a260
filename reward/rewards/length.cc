// length: a penalty or a preference by the length of the completion, reasoning included.

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "reward/registry.h"

namespace cohort::reward {
namespace {

enum class LengthUnit { kTokens, kCharacters, kWords };

int64_t CountWords(std::string_view text) {
  int64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!space && !inside) ++words;
    inside = !space;
  }
  return words;
}

// DAPO's soft overlong punishment (arXiv 2503.14476, equation 13): 0 up to max - cache, then a
// straight line down to -1 at max, and -1 beyond.
double SoftOverlongPenalty(int64_t length, int64_t max, int64_t cache) {
  if (length <= max - cache) return 0;
  if (length > max) return -1;
  return static_cast<double>(max - cache - length) / static_cast<double>(cache);
}

// 1 at the target, falling in a straight line to 0 at length 0 and at twice the target.
double NearTarget(int64_t length, int64_t target) {
  const double distance = std::abs(static_cast<double>(length - target));
  return std::max(0.0, 1.0 - distance / static_cast<double>(target));
}

class LengthGrader final : public Grader {
 public:
  explicit LengthGrader(const Options& options)
      : unit_(options.OneOf("unit", "", {"", "tokens", "characters", "words"})),
        target_(options.Integer("target", 0, 1, kMax)),
        max_(options.Integer("max", 0, 1, kMax)),
        cache_(options.Integer("cache", std::max<int64_t>(1, max_ / 5), 1, kMax)) {
    if (options.Has("target") == options.Has("max")) {
      options.Fail("exactly one of the options 'target' and 'max' is needed");
    }
    if (options.Has("cache") && (!options.Has("max") || cache_ > max_)) {
      options.Fail("option 'cache' needs 'max' and may not exceed it");
    }
  }

  Grade Score(const Sample& sample, const Budget&) const override {
    const LengthUnit unit = UnitFor(sample);
    if (unit == LengthUnit::kTokens && !sample.has_completion_tokens()) {
      return Failed(STATUS_UNPARSEABLE, "nobody counted the completion's tokens");
    }
    const std::string& text = sample.completion();
    const int64_t length = unit == LengthUnit::kTokens  ? sample.completion_tokens()
                           : unit == LengthUnit::kWords ? CountWords(text)
                                                        : base::CountCharacters(text);
    const double score =
        target_ > 0 ? NearTarget(length, target_) : SoftOverlongPenalty(length, max_, cache_);
    const char* const name = unit == LengthUnit::kTokens  ? " tokens"
                             : unit == LengthUnit::kWords ? " words"
                                                          : " characters";
    return {score, STATUS_OK, std::to_string(length) + name};
  }

 private:
  static constexpr int64_t kMax = 1'000'000'000;

  // DAPO's penalty counts tokens, which only a run or its records know.
  LengthUnit UnitFor(const Sample& sample) const {
    if (unit_ == "words") return LengthUnit::kWords;
    if (unit_ == "tokens") return LengthUnit::kTokens;
    const bool counts_tokens = unit_.empty() && max_ > 0 && sample.has_completion_tokens();
    return counts_tokens ? LengthUnit::kTokens : LengthUnit::kCharacters;
  }

  std::string unit_;  // "": by the sample
  int64_t target_;
  int64_t max_;
  int64_t cache_;
};

}  // namespace

RewardInfo LengthReward() {
  return {"length",
          "by the completion's length: with 'max', DAPO's soft overlong penalty (0 up to max - "
          "cache, falling to -1 at max); with 'target', 1 at the target and 0 at twice it",
          {{"unit",
            "tokens, characters or words (default tokens for 'max' where they are counted, as in a "
            "run, else characters)"},
           {"max", "longest length that is not fully punished"},
           {"cache", "width of the slope before max (default max / 5)"},
           {"target", "the preferred length"}},
          [](const Options& options) { return std::make_unique<LengthGrader>(options); }};
}

}  // namespace cohort::reward
