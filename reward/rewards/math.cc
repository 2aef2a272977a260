// math: the final answer of the completion is the answer, as mathematics.

#include "reward/math/extract/answer.h"
#include "reward/math/verifier.h"
#include "reward/registry.h"
#include "reward/text/answer_text.h"

namespace cohort::reward {
namespace {

using math::Equality;
using math::ExtractedAnswer;

class MathGrader final : public Grader {
 public:
  explicit MathGrader(const Options& options) {
    conventions_.rel_tol = options.Real("rel_tol", conventions_.rel_tol, 0, 0.1);
    conventions_.percent = options.Flag("percent", conventions_.percent);
    conventions_.units = options.Flag("units", conventions_.units);
    conventions_.unordered_lists = options.Flag("unordered_lists", conventions_.unordered_lists);
    conventions_.assignments = options.Flag("assignments", conventions_.assignments);
    conventions_.relation_sets = options.Flag("relation_sets", conventions_.relation_sets);
    conventions_.vectors = options.Flag("vectors", conventions_.vectors);
    conventions_.decimal_comma = options.Flag("decimal_comma", conventions_.decimal_comma);
    conventions_.number_words = options.Flag("number_words", conventions_.number_words);
  }

  Grade Score(const Sample& sample, const Budget&) const override {
    std::optional<ExtractedAnswer> found;
    if (sample.extracted()) {
      found = math::ExtractFromAnswer(sample.completion());
    } else {
      found = math::ExtractFromResponse(sample.completion());
    }
    const bool any = found.has_value() && !found->text.empty();
    const std::string where =
        any ? Quote(found->text) + " (" + found->source + ")" : "no answer in the completion";
    if (Trim(sample.answer()).empty()) {
      return Failed(STATUS_UNPARSEABLE, "the answer is empty; found " + where);
    }
    if (Trim(sample.completion()) == Trim(sample.answer())) {
      return Answered(true, any ? found->text : std::string(Trim(sample.answer())),
                      "the completion is the answer");
    }
    if (!any) return Answered(false, "", where);
    if (found->cut_off) return Answered(false, "", where + " is cut off");
    const ExtractedAnswer gold = math::ExtractFromAnswer(sample.answer());
    const math::MathJudgement judged = math::Judge(gold.text, found->text, conventions_);
    if (judged.equality == Equality::kEqual) {
      return Answered(true, found->text,
                      where + " equals " + Quote(gold.text) + ": " + judged.method);
    }
    if (judged.equality == Equality::kUndecided && judged.gold_costly) {
      return Failed(STATUS_TIMEOUT, "the answer " + Quote(gold.text) + " against " + where +
                                        " was not decided within its budget: " + judged.method);
    }
    // Else a policy could opt out of a bad score by an answer that costs too much.
    if (judged.equality == Equality::kUndecided) {
      return Answered(false, found->text,
                      where + " costs more than the budget to hold against " + Quote(gold.text) +
                          ": " + judged.method);
    }
    if (!judged.gold_understood) {
      return Failed(STATUS_UNPARSEABLE,
                    "the answer " + Quote(gold.text) + " is neither a formula nor words");
    }
    const char* as_text = judged.pred_understood ? "" : ", which is no formula";
    return Answered(false, found->text,
                    where + as_text + " is not " + Quote(gold.text) + ": " + judged.method);
  }

  bool SameAnswer(std::string_view a, std::string_view b) const override {
    return math::Judge(a, b, conventions_).equality == Equality::kEqual;
  }

 private:
  math::Conventions conventions_;
};

}  // namespace

RewardInfo MathReward() {
  return {"math",
          "1 when the final answer of the completion equals the answer as mathematics, else 0",
          {{"rel_tol", "largest relative difference where a decimal is written (default 1.5e-6)"},
           {"percent", "true: 50% equals 0.5 and 50 (default true)"},
           {"units", "true: a unit on one side only is ignored (default true)"},
           {"unordered_lists", "true: bare comma lists have no order (default true)"},
           {"assignments", "true: x = 5 equals 5 (default true)"},
           {"relation_sets", "true: x > 3 equals (3, inf) (default true)"},
           {"vectors", "true: a column equals the tuple of its entries (default true)"},
           {"decimal_comma", "true: 1,5 equals 1.5 (default true)"},
           {"number_words", "true: forty-two equals 42 (default true)"}},
          [](const Options& options) { return std::make_unique<MathGrader>(options); }};
}

}  // namespace cohort::reward
