#pragma once

// Advice and alarm drawn from a run's figures.

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "rl/records/step_metrics.h"

namespace cohort::rl {

// The settings that the advice names.
struct DiagnosticSettings {
  int32_t group_size = 0;
  int32_t max_new_tokens = 0;
  double temperature = 1;
  bool float32_rollouts = false;  // rollout.dtype
  bool corrects_tokens = false;   // objective.is_correction
  // Of a model whose rope has other factors in longer sequences (longrope), which prompts and
  // completions of the recipe may become: tokens of its original context. 0: no such thing.
  int64_t rope_boundary = 0;
};

// Sentences for a step that does not move the policy: what was seen, why it stops learning, what to
// try. One entry a symptom: all groups flat, more than 30 % truncated, engines that disagree
// by more than 0.02 nats a token. Rewards that fail are told by run/reward_watch.
std::vector<std::string> Diagnose(const StepMetrics& metrics, const DiagnosticSettings& settings);

// Sounds when a run no longer learns but falls apart:
//   five steps in a row had an update that was skipped since its gradient is not finite;
//   a loss is not finite;
//   three steps in a row had a loss, of a round of demonstrations, above four times the median of
//   the twenty before plus 1 nat, or a KL above 3 nats a token, of a grpo round.
// The last two bounds are this program's own: no published recipe comes near them.
class DivergenceAlarm {
 public:
  static constexpr int kSkippedLimit = 5, kSpikeLimit = 3;

  enum class State { kQuiet, kSuspicious, kDiverged };
  // Called once a step.
  State Observe(const StepMetrics& metrics);
  // Why the step that was observed last is suspicious or diverged; "" when quiet.
  const std::string& reason() const { return reason_; }
  // A round's figures are not compared with those of the round before.
  void BeginRound();

 private:
  bool Spikes(const StepMetrics& metrics);

  int skipped_in_a_row_ = 0, spikes_in_a_row_ = 0;
  std::deque<double> losses_;  // of the last quiet steps of the round
  std::string reason_;
};

}  // namespace cohort::rl
