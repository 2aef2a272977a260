#pragma once

// A reward as the scorer sees it: a sample in, a grade out. Samples, verdicts and statuses are the
// messages of reward.proto, in process as well as on the wire.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reward/budget.h"
#include "reward/reward.pb.h"

namespace cohort::reward {

// A named piece of a grade, reported beside it; without a score it does not apply to the sample.
struct GradePart {
  std::string name;
  std::optional<double> score;
};

// A wrong completion is score 0 with STATUS_OK. STATUS_NOT_APPLICABLE leaves the reward out of this
// sample's sum and is no failure. Any other status means that the grader could not judge (an answer
// column it cannot read, a crash). The score means something with STATUS_OK only.
struct Grade {
  double score = 0;
  Status status = STATUS_OK;
  std::string detail;
  std::optional<TestTally> tests = std::nullopt;  // of graders that run tests
  std::vector<GradePart> parts = {};              // of graders whose score is a sum
  // The answer that a grader found in the completion, "" where there is none; nullopt of a grader
  // that looks for no answer.
  std::optional<std::string> answer = std::nullopt;
};

Grade Failed(Status status, std::string detail);
// 1 or 0 for the answer that was found in the completion; "" where there is none.
Grade Answered(bool right, std::string_view answer, std::string detail);

// One configured reward. Score() may run on many threads at once, takes time linear in the sample
// or stops when the budget is exhausted, and reports failures in the grade's status.
class Grader {
 public:
  virtual ~Grader() = default;
  virtual Grade Score(const Sample& sample, const Budget& budget) const = 0;

  // Whether two answers that Score() found are one answer to this reward; by default, whether they
  // are one text. Symmetric, though not transitive where a tolerance is at work.
  virtual bool SameAnswer(std::string_view a, std::string_view b) const { return a == b; }

  // Whether ScoreBatch() is more than a loop. Its budget is that of one sample: a grader that
  // exceeds it with many samples may start again with each alone.
  virtual bool takes_batches() const { return false; }
  virtual std::vector<Grade> ScoreBatch(std::span<const Sample* const> samples,
                                        const Budget& budget) const;
};

const char* StatusName(Status status);  // "ok", "unparseable", "timeout", ...

// A piece of a sample's text for a detail: one line of valid UTF-8, at most ~80 bytes, in quotes.
std::string Quote(std::string_view text);

}  // namespace cohort::reward
