// exact_answer: the completion's text is the answer's text.

#include <algorithm>

#include "reward/registry.h"
#include "reward/text/answer_text.h"

namespace cohort::reward {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

class ExactAnswerGrader final : public Grader {
 public:
  explicit ExactAnswerGrader(const Options& options)
      : after_(options.Text("after", "")), ignore_case_(options.Flag("ignore_case", false)) {}

  Grade Score(const Sample& sample, const Budget&) const override {
    const std::string_view gold = Trim(sample.answer());
    if (gold.empty()) return Failed(STATUS_UNPARSEABLE, "the answer is empty");
    auto text = AfterReasoning(sample.completion());
    if (!text.has_value()) return Answered(false, "", "the reasoning was never closed");
    text = AfterLast(*text, after_);
    if (!text.has_value()) return Answered(false, "", "no " + Quote(after_) + " in the completion");
    const std::string_view found = Trim(*text);
    if (SameAnswer(found, gold)) return Answered(true, found, "");
    return Answered(false, found, "found " + Quote(found) + ", expected " + Quote(gold));
  }

  bool SameAnswer(std::string_view a, std::string_view b) const override {
    if (!ignore_case_) return a == b;
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return Lower(x) == Lower(y); });
  }

 private:
  std::string after_;
  bool ignore_case_;
};

}  // namespace

RewardInfo ExactAnswerReward() {
  return {"exact_answer",
          "1 when the completion is the answer, white space at the ends aside, else 0",
          {{"after", "compare what follows the last occurrence of this text, e.g. ="},
           {"ignore_case", "true: ASCII letters match in either case (default false)"}},
          [](const Options& options) { return std::make_unique<ExactAnswerGrader>(options); }};
}

}  // namespace cohort::reward
