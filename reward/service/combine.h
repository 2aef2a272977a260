#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "reward/grader.h"

namespace cohort::reward {

struct Term {
  std::string name;
  double weight;
  std::shared_ptr<const Grader> grader;
};
using Terms = std::vector<Term>;

// Terms of one name become "format", "format#2", ...: each is a component of its own.
void NumberRepeatedNames(Terms* terms);

// The weighted sum of the grades that apply with every component listed. The first failure is the
// verdict's status; so is STATUS_NOT_APPLICABLE where no term applies, and STATUS_ERROR where the
// sum is not finite. grades[i] belongs to terms[i].
Verdict Combine(uint64_t sample_id, const Terms& terms, std::vector<Grade> grades);

// Scores one sample under every term, each within `limit`. Never throws.
Verdict ScoreSample(const Terms& terms, const Sample& sample, std::chrono::milliseconds limit,
                    const std::atomic<bool>* cancelled);

// The same for several, in their order; graders that take batches see them together. Verdicts are
// handed to `accept` as they are reached, until `cancelled`.
void ScoreSamples(const Terms& terms, std::span<const Sample* const> samples,
                  std::chrono::milliseconds limit, const std::atomic<bool>* cancelled,
                  const std::function<void(size_t index, Verdict verdict)>& accept);

}  // namespace cohort::reward
