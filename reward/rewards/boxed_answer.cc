// boxed_answer: the last \boxed{...} of the completion is the answer, as normalised text or number.

#include "reward/registry.h"
#include "reward/text/answer_text.h"
#include "reward/text/boxed.h"
#include "reward/text/math_text.h"

namespace cohort::reward {
namespace {

class BoxedAnswerGrader final : public Grader {
 public:
  Grade Score(const Sample& sample, const Budget&) const override {
    const std::string gold =
        LastBoxed(sample.answer()).value_or(std::string(GoldText(sample.answer())));
    if (NormalizeMathText(gold).empty()) return Failed(STATUS_UNPARSEABLE, "the answer is empty");
    const auto text = AfterReasoning(sample.completion());
    if (!text.has_value()) return Answered(false, "", "the reasoning was never closed");
    const auto found = LastBoxed(*text);
    if (!found.has_value()) return Answered(false, "", "no \\boxed{...} in the completion");
    if (SameMathText(*found, gold)) return Answered(true, *found, "");
    return Answered(false, *found, "found " + Quote(*found) + ", expected " + Quote(gold));
  }

  bool SameAnswer(std::string_view a, std::string_view b) const override {
    return SameMathText(a, b);
  }
};

}  // namespace

RewardInfo BoxedAnswerReward() {
  return {"boxed_answer",
          "1 when the last \\boxed{...} of the completion matches the answer as normalised text or "
          "as a number, else 0; no algebra",
          {},
          [](const Options&) { return std::make_unique<BoxedAnswerGrader>(); }};
}

}  // namespace cohort::reward
