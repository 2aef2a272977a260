#include "rl/records/diagnostics.h"

#include <cstdio>

namespace cohort::rl {
namespace {

constexpr double kManyTruncated = 0.30;
constexpr double kManyFailed = 0.01;
constexpr double kWideGap = 0.02;  // nats; bf16 weights stay below, stale weights do not

std::string Percent(int64_t part, int64_t whole) {
  char buffer[32];
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  std::snprintf(buffer, sizeof(buffer), percent < 10 ? "%.1f %%" : "%.0f %%", percent);
  return buffer;
}

bool Exceeds(int64_t part, int64_t whole, double share) {
  return whole > 0 && static_cast<double>(part) > share * static_cast<double>(whole);
}

std::string AllGroupsFlat(const StepSymptoms& s) {
  std::string text = std::to_string(s.zero_variance_groups) + "/" + std::to_string(s.groups) +
                     " groups had equal rewards (" + std::to_string(s.all_wrong_groups) +
                     " all wrong, " + std::to_string(s.all_right_groups) +
                     " all right): advantages are 0, so this step gives no gradient. ";
  if (s.all_wrong_groups >= s.all_right_groups) {
    text += "Try easier prompts, an sft round before, a larger rounds[].group_size (now " +
            std::to_string(s.group_size) + ")";
  } else {
    text += "Try harder prompts";
  }
  char temperature[32];
  std::snprintf(temperature, sizeof(temperature), "%g", s.temperature);
  return text + " or a higher rollout.temperature (now " + temperature +
         "); `cohort grade` shows whether the reward sees right answers as right";
}

std::string Truncated(const StepSymptoms& s) {
  return Percent(s.truncated_samples, s.samples) +
         " of the completions were cut at rollout.max_new_tokens (" +
         std::to_string(s.max_new_tokens) +
         "): their answers may never be reached. Raise it, or teach shorter answers with an sft "
         "round or a length reward";
}

std::string RewardsFailed(const StepSymptoms& s) {
  return "the reward failed on " + std::to_string(s.failed_rewards) + " of " +
         std::to_string(s.samples) + " samples (" + Percent(s.failed_rewards, s.samples) +
         "); they are left out, not counted as wrong. samples.jsonl holds each reason; a timeout "
         "can be raised with rollout.reward_deadline_s";
}

std::string EnginesDisagree(const StepSymptoms& s) {
  char gap[32];
  std::snprintf(gap, sizeof(gap), "%.3f", s.logprob_gap_mean);
  return std::string("the learner's logprobs of the samples differ from the decoder's by ") + gap +
         " nats a token: the update learns from a policy that is not the one that sampled. Use "
         "rollout.dtype=float32, or objective.is_correction=token";
}

}  // namespace

std::vector<std::string> ExplainSymptoms(const StepSymptoms& s) {
  std::vector<std::string> found;
  const std::string step = "step " + std::to_string(s.step) + ": ";
  if (s.groups > 0 && s.zero_variance_groups == s.groups) found.push_back(step + AllGroupsFlat(s));
  if (Exceeds(s.truncated_samples, s.samples, kManyTruncated)) found.push_back(step + Truncated(s));
  if (Exceeds(s.failed_rewards, s.samples, kManyFailed)) found.push_back(step + RewardsFailed(s));
  if (s.logprob_gap_mean > kWideGap) found.push_back(step + EnginesDisagree(s));
  return found;
}

}  // namespace cohort::rl
