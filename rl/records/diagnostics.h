#pragma once

// Advice and alarm drawn from a run's figures.

#include <cstdint>
#include <string>
#include <vector>

#include "rl/records/step_metrics.h"

namespace cohort::rl {

// The settings that the advice names.
struct DiagnosticSettings {
  int32_t group_size = 0;
  int32_t max_new_tokens = 0;
  double temperature = 1;
};

// Sentences for a step that does not move the policy: what was seen, why it stops learning, what to
// try. One entry a symptom: all groups flat, more than 30 % truncated, more than 1 % of rewards
// failed, engines that disagree by more than 0.02 nats a token.
std::vector<std::string> Diagnose(const StepMetrics& metrics, const DiagnosticSettings& settings);

// Sounds after five steps in a row with an update that was skipped since its gradient is not
// finite.
class DivergenceAlarm {
 public:
  static constexpr int kLimit = 5;

  // Called once a step. kSkipped: this step has such an update; kDiverged: as had those before it.
  enum class State { kQuiet, kSkipped, kDiverged };
  State Observe(const StepMetrics& metrics);

 private:
  int skipped_in_a_row_ = 0;
};

}  // namespace cohort::rl
