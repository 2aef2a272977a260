#include "rl/run/reward_watch.h"

#include "base/error.h"

namespace cohort::rl {
namespace {

std::string Advice(const std::string& failure) {
  return failure.starts_with("TIMEOUT") ? " (rollout.reward_deadline_s gives it more time)" : "";
}

}  // namespace

void RewardWatch::Observe(const StepRecord& record) {
  const int64_t failed = record.metrics.failed_rewards.value_or(0);
  const int64_t samples = record.metrics.samples.value_or(0);
  failed_ += failed;
  samples_ += samples;
  constexpr size_t kToldAtMost = 20;
  const std::string& reason = record.samples.first_failure;
  if (first_.empty()) first_ = reason;
  if (!reason.empty() && told_.size() < kToldAtMost && told_.insert(reason).second) {
    console_.Warn("step " + std::to_string(record.metrics.step) + ": the reward failed on " +
                  std::to_string(failed) + " of " + std::to_string(samples) +
                  " samples, which are left out; the first: " + reason + Advice(reason));
  }
  failed_steps_ = samples > 0 && failed == samples ? failed_steps_ + 1 : 0;
  if (failed_steps_ < max_failed_steps_) return;
  throw Error(
      ErrorCode::kEnvironment,
      "the reward failed on every sample of " + std::to_string(max_failed_steps_) +
          " steps in a row; the last: " + reason,
      "mend the reward; the same command with --resume-with-changes goes on. `cohort reward try` "
      "shows what it says to one sample");
}

void RewardWatch::Summarize() {
  if (failed_ == 0) return;
  console_.Warn("the reward failed on " + std::to_string(failed_) + " of " +
                std::to_string(samples_) + " samples, which were left out; the first: " + first_);
}

}  // namespace cohort::rl
