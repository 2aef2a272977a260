#include "rl/records/diagnostics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace cohort::rl {
namespace {

constexpr double kManyTruncated = 0.30;
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

std::string AllGroupsFlat(const StepMetrics& m, const DiagnosticSettings& settings) {
  const int64_t all_wrong = m.all_wrong_groups.value_or(0),
                all_right = m.all_right_groups.value_or(0);
  std::string text = std::to_string(*m.zero_variance_groups) + "/" + std::to_string(*m.groups) +
                     " groups had equal rewards (" + std::to_string(all_wrong) + " all wrong, " +
                     std::to_string(all_right) +
                     " all right): advantages are 0, so this step gives no gradient. ";
  if (all_wrong >= all_right) {
    text += "Try easier prompts, an sft round before, a larger rounds[].group_size (now " +
            std::to_string(settings.group_size) + ")";
  } else {
    text += "Try harder prompts";
  }
  char temperature[32];
  std::snprintf(temperature, sizeof(temperature), "%g", settings.temperature);
  return text + " or a higher rollout.temperature (now " + temperature +
         "); `cohort grade` shows whether the reward sees right answers as right";
}

std::string Truncated(int64_t truncated, int64_t samples, const DiagnosticSettings& settings) {
  return Percent(truncated, samples) + " of the completions were cut at rollout.max_new_tokens (" +
         std::to_string(settings.max_new_tokens) +
         "): their answers may never be reached. Raise it, or teach shorter answers with an sft "
         "round or a length reward";
}

// The ways out that are not taken yet.
std::string WaysToAgree(const DiagnosticSettings& settings) {
  std::string ways = settings.float32_rollouts ? "" : "rollout.dtype=float32";
  if (!settings.corrects_tokens) {
    ways += std::string(ways.empty() ? "" : ", or ") + "objective.is_correction=token";
  }
  std::string text;
  if (settings.rope_boundary > 0) {
    text = ". A sequence that grows beyond " + std::to_string(settings.rope_boundary) +
           " tokens has another rope from there on (longrope): what was sampled before differs, "
           "whatever the dtype; prompts and rollout.max_new_tokens that stay within it do not";
  }
  if (!ways.empty()) return text + ". Use " + ways;
  if (!text.empty()) return text;
  return ". rollout.dtype=float32 and objective.is_correction=token are set: `cohort score` of a "
         "sample with --engine learner and with --engine decoder shows whether the engines differ";
}

std::string EnginesDisagree(double logprob_gap_mean, const DiagnosticSettings& settings) {
  char gap[32];
  std::snprintf(gap, sizeof(gap), "%.3f", logprob_gap_mean);
  return std::string("the learner's logprobs of the samples differ from the decoder's by ") + gap +
         " nats a token: the update learns from a policy that is not the one that sampled" +
         WaysToAgree(settings);
}

}  // namespace

std::vector<std::string> Diagnose(const StepMetrics& m, const DiagnosticSettings& settings) {
  const int64_t groups = m.groups.value_or(0), samples = m.samples.value_or(0),
                truncated = m.truncated_samples.value_or(0);
  const double gap = m.logprob_gap_mean.value_or(0);
  std::vector<std::string> found;
  const std::string step = "step " + std::to_string(m.step) + ": ";
  if (groups > 0 && m.zero_variance_groups == groups) {
    found.push_back(step + AllGroupsFlat(m, settings));
  }
  if (Exceeds(truncated, samples, kManyTruncated)) {
    found.push_back(step + Truncated(truncated, samples, settings));
  }
  if (gap > kWideGap) found.push_back(step + EnginesDisagree(gap, settings));
  return found;
}

bool DivergenceAlarm::Spikes(const StepMetrics& metrics) {
  constexpr double kMaxKl = 3, kLossFactor = 4, kLossMargin = 1;  // nats
  constexpr size_t kWindow = 20, kFewest = 5;
  char text[160];
  if (metrics.kl.value_or(0) > kMaxKl) {
    std::snprintf(text, sizeof(text), "the policy is %.3g nats a token away (kl)", *metrics.kl);
    reason_ = text;
    return true;
  }
  if (metrics.groups.has_value() || !metrics.loss) return false;  // a grpo loss hovers about 0
  std::vector<double> sorted(losses_.begin(), losses_.end());
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted.empty() ? 0 : sorted[sorted.size() / 2];
  if (sorted.size() >= kFewest && *metrics.loss > kLossFactor * median + kLossMargin) {
    std::snprintf(text, sizeof(text), "the loss is %.4g, where it was %.4g", *metrics.loss, median);
    reason_ = text;
    return true;
  }
  losses_.push_back(*metrics.loss);
  if (losses_.size() > kWindow) losses_.pop_front();
  return false;
}

DivergenceAlarm::State DivergenceAlarm::Observe(const StepMetrics& metrics) {
  reason_.clear();
  if (metrics.loss && !std::isfinite(*metrics.loss)) {
    reason_ = "the loss is not finite";
    return State::kDiverged;
  }
  spikes_in_a_row_ = Spikes(metrics) ? spikes_in_a_row_ + 1 : 0;
  skipped_in_a_row_ = metrics.skipped_updates.value_or(0) == 0 ? 0 : skipped_in_a_row_ + 1;
  if (skipped_in_a_row_ > 0) {
    reason_ = "the gradient is not finite; the weights stay as they were";
  }
  if (skipped_in_a_row_ >= kSkippedLimit || spikes_in_a_row_ >= kSpikeLimit) {
    return State::kDiverged;
  }
  return reason_.empty() ? State::kQuiet : State::kSuspicious;
}

void DivergenceAlarm::BeginRound() {
  losses_.clear();
  spikes_in_a_row_ = 0;
}

}  // namespace cohort::rl
