#pragma once

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

// The weighted sum of the grades with every component listed. The first status that is not OK is
// the verdict's; so is STATUS_ERROR where the sum is not finite. grades[i] belongs to terms[i].
Verdict Combine(uint64_t sample_id, const Terms& terms, std::vector<Grade> grades);

// Scores one sample under every term, each within `limit`. Never throws.
Verdict ScoreSample(const Terms& terms, const Sample& sample, std::chrono::milliseconds limit,
                    const std::atomic<bool>* cancelled);

}  // namespace cohort::reward
