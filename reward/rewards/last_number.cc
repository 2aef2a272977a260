// last_number: the last number of the completion is the answer's number, exactly, as decimals.

#include "reward/registry.h"
#include "reward/text/answer_text.h"
#include "reward/text/number_scan.h"

namespace cohort::reward {
namespace {

class LastNumberGrader final : public Grader {
 public:
  explicit LastNumberGrader(const Options& options) : after_(options.Text("after", "")) {}

  Grade Score(const Sample& sample, const Budget&) const override {
    const auto gold = OnlyNumber(GoldText(sample.answer()));
    if (!gold.has_value()) {
      return Failed(STATUS_UNPARSEABLE,
                    "the answer " + Quote(GoldText(sample.answer())) + " is not one number");
    }
    auto text = AfterReasoning(sample.completion());
    if (!text.has_value()) return Answered(false, "", "the reasoning was never closed");
    text = AfterLast(*text, after_);
    if (!text.has_value()) return Answered(false, "", "no " + Quote(after_) + " in the completion");
    const auto found = LastNumber(*text);
    if (!found.has_value()) return Answered(false, "", "no number in the completion");
    if (found->in_expression) {
      return Answered(false, "",
                      "the last number " + Quote(found->text) + " is part of an expression");
    }
    if (found->value == gold->value) return Answered(true, found->text, "");
    return Answered(false, found->text,
                    "found " + Quote(found->text) + ", expected " + Quote(gold->text));
  }

  bool SameAnswer(std::string_view a, std::string_view b) const override {
    const auto x = OnlyNumber(a), y = OnlyNumber(b);
    return x.has_value() && y.has_value() ? x->value == y->value : a == b;
  }

 private:
  std::string after_;
};

}  // namespace

RewardInfo LastNumberReward() {
  return {"last_number",
          "1 when the last number of the completion equals the answer's number, else 0; an answer "
          "with '####' is read behind it",
          {{"after", "only numbers behind the last occurrence of this text count"}},
          [](const Options& options) { return std::make_unique<LastNumberGrader>(options); }};
}

}  // namespace cohort::reward
