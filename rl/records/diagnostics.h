#pragma once

// Sentences for a run that does not move: what was seen, why it stops learning, what to try.

#include <cstdint>
#include <string>
#include <vector>

namespace cohort::rl {

struct StepSymptoms {
  int64_t step = 0;
  int64_t groups = 0;
  int64_t zero_variance_groups = 0;  // all rewards of the group equal
  int64_t all_wrong_groups = 0;      // of those, at the lowest reward seen
  int64_t all_right_groups = 0;      // of those, at the highest
  int64_t samples = 0;
  int64_t truncated_samples = 0;  // finish reason "length"
  int64_t failed_rewards = 0;     // excluded from the update
  double logprob_gap_mean = 0;    // between the learner's engine and the decoder's
  int32_t group_size = 0;
  int32_t max_new_tokens = 0;
  double temperature = 1;
};

// One entry a symptom: all groups flat, more than 30 % truncated, more than 1 % of rewards failed,
// engines that disagree by more than 0.02 nats a token.
std::vector<std::string> ExplainSymptoms(const StepSymptoms& symptoms);

}  // namespace cohort::rl
