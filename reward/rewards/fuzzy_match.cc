// fuzzy_match: how near the completion's text is to the answer's, after case, width and punctuation
// are folded away.

#include <utf8proc.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/utf8.h"
#include "reward/registry.h"
#include "reward/text/answer_text.h"
#include "reward/text/edit_distance.h"
#include "reward/text/words.h"

namespace cohort::reward {
namespace {

constexpr size_t kMaxBytes = 64 * 1024;

bool IsPunctuation(uint32_t code_point) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

// SQuAD's normalisation (rajpurkar/SQuAD-explorer, evaluate-v2.0.py) for any language: folded,
// punctuation out, English articles out.
std::vector<std::string> NormalWords(std::string_view text) {
  const std::string folded = FoldText(text);
  std::string kept;
  for (size_t at = 0; at < folded.size();) {
    const base::CodePoint point = base::DecodeUtf8(folded, at);
    if (!IsPunctuation(point.value)) kept.append(folded, at, point.length);
    at += point.length;
  }
  std::vector<std::string> words;
  for (const std::string_view word : SplitWords(kept)) {
    if (word != "a" && word != "an" && word != "the") words.emplace_back(word);
  }
  return words;
}

// 2 * common words / all words: the harmonic mean of precision and recall.
double TokenF1(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::map<std::string_view, int64_t> counts;
  for (const std::string& word : a) ++counts[word];
  int64_t common = 0;
  for (const std::string& word : b) common += counts[word]-- > 0 ? 1 : 0;
  return 2.0 * static_cast<double>(common) / static_cast<double>(a.size() + b.size());
}

std::vector<uint32_t> CodePoints(const std::vector<std::string>& words) {
  std::vector<uint32_t> points;
  for (const std::string& word : words) {
    if (!points.empty()) points.push_back(' ');
    for (size_t at = 0; at < word.size();) {
      const base::CodePoint point = base::DecodeUtf8(word, at);
      points.push_back(point.value);
      at += point.length;
    }
  }
  return points;
}

class FuzzyMatchGrader final : public Grader {
 public:
  explicit FuzzyMatchGrader(const Options& options)
      : f1_(options.OneOf("metric", "f1", {"f1", "edit"}) == "f1"),
        threshold_percent_(options.Integer("threshold_percent", 0, 0, 100)),
        after_(options.Text("after", "")) {}

  Grade Score(const Sample& sample, const Budget& budget) const override {
    if (sample.answer().size() > kMaxBytes)
      return Failed(STATUS_UNPARSEABLE, "the answer is too long");
    const std::vector<std::string> gold = NormalWords(sample.answer());
    if (gold.empty()) return Failed(STATUS_UNPARSEABLE, "the answer has no words");
    auto text = AfterReasoning(sample.completion());
    if (!text.has_value()) return {0, STATUS_OK, "the reasoning was never closed"};
    text = AfterLast(*text, after_);
    if (!text.has_value()) return {0, STATUS_OK, "no " + Quote(after_) + " in the completion"};
    if (text->size() > kMaxBytes) return {0, STATUS_OK, "longer than any answer"};
    const std::vector<std::string> found = NormalWords(*text);
    const std::optional<double> nearness =
        f1_ ? TokenF1(gold, found) : Nearness(gold, found, budget);
    if (!nearness.has_value()) return Failed(STATUS_TIMEOUT, "comparing took too long");
    const double threshold = static_cast<double>(threshold_percent_) / 100;
    const double score = threshold_percent_ == 0 ? *nearness : *nearness >= threshold ? 1 : 0;
    return {score, STATUS_OK,
            "found " + Quote(Trim(*text)) + ", " + std::to_string(std::lround(100 * *nearness)) +
                " % near"};
  }

 private:
  // 1 - distance / length of the longer.
  static std::optional<double> Nearness(const std::vector<std::string>& gold,
                                        const std::vector<std::string>& found,
                                        const Budget& budget) {
    const std::vector<uint32_t> a = CodePoints(gold), b = CodePoints(found);
    const auto distance = EditDistance(a, b, budget);
    if (!distance.has_value()) return std::nullopt;
    return 1 - static_cast<double>(*distance) / static_cast<double>(std::max(a.size(), b.size()));
  }

  bool f1_;
  int64_t threshold_percent_;
  std::string after_;
};

}  // namespace

RewardInfo FuzzyMatchReward() {
  return {"fuzzy_match",
          "how near the completion is to the answer, 0 to 1, case and punctuation aside",
          {{"metric",
            "f1 (default): words in common, as SQuAD counts; edit: 1 - edit distance / "
            "length"},
           {"threshold_percent", "1 when at least so near, else 0 (default: the nearness itself)"},
           {"after", "compare what follows the last occurrence of this text"}},
          [](const Options& options) { return std::make_unique<FuzzyMatchGrader>(options); }};
}

}  // namespace cohort::reward
