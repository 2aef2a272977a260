// length: a penalty or a preference by the length of the completion, reasoning included.

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "reward/registry.h"

namespace cohort::reward {
namespace {

// The service has no tokenizer, so lengths are characters (UTF-8 code points) or words.
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
      : words_(options.OneOf("unit", "characters", {"characters", "words"}) == "words"),
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
    const std::string& text = sample.completion();
    const int64_t length = words_ ? CountWords(text) : base::CountCharacters(text);
    const double score =
        target_ > 0 ? NearTarget(length, target_) : SoftOverlongPenalty(length, max_, cache_);
    return {score, STATUS_OK, std::to_string(length) + (words_ ? " words" : " characters")};
  }

 private:
  static constexpr int64_t kMax = 1'000'000'000;
  bool words_;
  int64_t target_;
  int64_t max_;
  int64_t cache_;
};

}  // namespace

RewardInfo LengthReward() {
  return {"length",
          "by the completion's length: with 'max', DAPO's soft overlong penalty (0 up to max - "
          "cache, falling to -1 at max); with 'target', 1 at the target and 0 at twice it",
          {{"unit", "characters (default) or words"},
           {"max", "longest length that is not fully punished"},
           {"cache", "width of the slope before max (default max / 5)"},
           {"target", "the preferred length"}},
          [](const Options& options) { return std::make_unique<LengthGrader>(options); }};
}

}  // namespace cohort::reward
