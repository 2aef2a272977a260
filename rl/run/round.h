#pragma once

// The seam between the run and what a step of a round does. Synchronous training is the
// asynchronous loop with a staleness of 0: Take, Update, Publish, Release.

#include <memory>
#include <vector>

#include "rl/journal/journal_entry.h"
#include "rl/learner/batch.h"
#include "rl/records/step_metrics.h"
#include "rl/run/sample_records.h"

namespace cohort::rl {

// The figures and samples of a step, for the records.
struct StepRecord {
  StepMetrics metrics;  // the step's own; the run adds where it stands
  KeptSamples samples;  // none in rounds that do not sample
  JournalEntry entry;   // what the step was made of and came to
};

// The sequences that a step trains on, with the figures that are known before the update.
struct StepWork {
  std::vector<TrainingSequence> sequences;
  StepRecord record;
};

// One round of a run. Owned by one thread.
class Round {
 public:
  virtual ~Round() = default;

  // Its steps sample from the policy: the run publishes every version before the next step.
  virtual bool samples() const { return false; }

  // One of the two comes before the first Take: Begin at the round's first step, with a fresh
  // optimizer and no reference policy; Resume in the middle of the round, when the learner has its
  // state back from a checkpoint.
  virtual void Begin() {}
  virtual void Resume() {}

  // Samples and judges, or reads, the sequences of the next step. Advances the data cursor and ids.
  virtual StepWork Take() = 0;
  // The step's optimizer steps. Advances the policy version and the round's updates.
  virtual StepRecord Update(StepWork work) = 0;
  // The workers have what was learnt from the last Take, so that its place is free.
  virtual void Release() {}
};

}  // namespace cohort::rl
