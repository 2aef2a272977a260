#pragma once

// A cache in front of a judge that costs processes or money: an input is judged once, even where
// several calls ask for it at the same time.

#include <functional>

#include "reward/cache/input_claims.h"
#include "reward/cache/input_memory.h"

namespace cohort::reward {

struct GradeCacheSettings {
  size_t max_inputs = 16384;  // remembered
  bool keep_grades = true;    // false: an input that was judged is judged again
  bool quarantine = true;     // an input that broke the judge twice is refused
};

// Thread-safe.
class GradeCache {
 public:
  // The grades of samples that are judged together, each or all of them within the budget. Does not
  // throw.
  using Judge =
      std::function<std::vector<Grade>(std::span<const Sample* const> samples, const Budget&)>;

  GradeCache(const GradeCacheSettings& settings, Judge judge)
      : settings_(settings),
        judge_(std::move(judge)),
        memory_(settings.max_inputs, settings.keep_grades, settings.quarantine) {}

  Grade Score(const Sample& sample, const Budget& budget);
  // Judges what is not known together, and alone again what fails in company: it costs only itself.
  std::vector<Grade> ScoreTogether(std::span<const Sample* const> samples, const Budget& budget);

 private:
  Grade ScoreWaiting(const Sample& sample, const InputKey& key, const Budget& budget);
  Grade ScoreAlone(const Sample& sample, const InputKey& key, const Budget& budget);

  const GradeCacheSettings settings_;
  const Judge judge_;
  InputMemory memory_;
  InputClaims claims_;
};

}  // namespace cohort::reward
