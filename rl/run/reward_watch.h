#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "rl/records/console.h"
#include "rl/run/round.h"

namespace cohort::rl {

// Tells why rewards fail: each reason once and at once, and stops a run whose rewards judge
// nothing.
class RewardWatch {
 public:
  // `max_failed_steps`: in a row, in which the reward failed on every sample. The console outlives
  // it.
  RewardWatch(Console& console, int max_failed_steps)
      : console_(console), max_failed_steps_(max_failed_steps) {}

  // Called once a step. Errors: kEnvironment after max_failed_steps.
  void Observe(const StepRecord& record);
  // The share of the samples that were left out; says nothing where none was.
  void Summarize();

 private:
  Console& console_;
  const int max_failed_steps_;
  std::string first_;
  std::set<std::string> told_;
  int64_t failed_ = 0, samples_ = 0;
  int failed_steps_ = 0;  // in a row
};

}  // namespace cohort::rl
