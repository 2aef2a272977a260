#pragma once

// Every figure of a step, once: the rows of metrics.jsonl, TensorBoard's scalars, the progress
// line, the diagnostics and the alarm are made from it.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace cohort::rl {

// One reward of a step's samples, over those that it scored.
struct RewardFigures {
  double mean = 0;
  double std = 0;
  int64_t count = 0;
};

// A step of a round, or one evaluation of the policy. What a figure means stands in Figures(), in
// the same order; absent ones (an empty text, no reward) are left out wherever they would be shown.
struct StepMetrics {
  int64_t step = 0;
  int64_t round = 0;
  std::string phase;
  std::optional<double> elapsed_s;

  std::optional<double> loss;
  std::optional<double> mtp_loss;
  std::optional<double> reward_mean;
  std::optional<double> reward_std;
  std::map<std::string, RewardFigures> rewards;
  std::optional<double> kl;
  std::optional<double> clip_fraction;
  std::optional<double> ratio_mean;
  std::optional<double> ratio_max;
  std::optional<double> entropy;
  std::optional<double> logprob_gap_mean;
  std::optional<double> logprob_gap_max;
  std::optional<double> grad_norm;
  std::optional<double> learning_rate;
  std::optional<int64_t> skipped_updates;
  std::optional<double> busiest_expert;
  std::optional<double> rerouted_share;
  std::optional<int64_t> policy_version;

  std::optional<int64_t> samples;
  std::optional<int64_t> completion_tokens;
  std::optional<double> completion_length_mean;
  std::optional<int64_t> truncated_samples;
  std::optional<int64_t> failed_rewards;
  std::optional<int64_t> not_applicable_rewards;
  std::optional<int64_t> reissued_samples;
  std::optional<int64_t> refused_completions;
  std::optional<int64_t> worker_restarts;
  std::optional<int64_t> trained_tokens;

  std::optional<int64_t> sampled_answers;
  std::optional<int64_t> good_answers;
  std::optional<int64_t> kept_answers;
  std::optional<int64_t> dropped_demonstrations;
  std::optional<int64_t> cut_demonstrations;
  std::optional<int64_t> journal_dropped_steps;
  std::optional<int64_t> memory_retries;

  std::optional<double> step_s;
  std::optional<double> publish_s;
  std::optional<int64_t> publish_bytes;
  std::optional<double> decode_s;
  std::optional<double> reward_s;
  std::optional<double> train_s;
  std::optional<double> forward_backward_s;
  std::optional<double> update_s;
  std::optional<double> decode_tokens_per_s;
  std::optional<double> train_tokens_per_s;

  std::optional<int64_t> groups;
  std::optional<int64_t> zero_variance_groups;
  std::optional<int64_t> all_wrong_groups;
  std::optional<int64_t> all_right_groups;

  std::string eval_after;
  std::string eval_reward;
  std::optional<double> eval_accuracy;
  std::optional<double> eval_accuracy_low;
  std::optional<double> eval_accuracy_high;
  std::map<std::string, RewardFigures> eval_rewards;
  std::optional<int64_t> eval_problems;
  std::optional<int64_t> eval_failed;
  std::optional<double> eval_completion_tokens;
  std::optional<double> eval_truncated;
  std::optional<double> eval_s;
};

// Where a figure may stand.
enum FigureUse : unsigned {
  kGrpoRow = 1,  // a row of metrics.jsonl, and as a number a TensorBoard scalar
  kSftRow = 2,   // sft and rejection_sft
  kEvalRow = 4,
  kDiagnostics = 8,
  kAlarm = 16,
};

struct Figure {
  using Member =
      std::variant<int64_t StepMetrics::*, std::string StepMetrics::*,
                   std::optional<int64_t> StepMetrics::*, std::optional<double> StepMetrics::*,
                   std::map<std::string, RewardFigures> StepMetrics::*>;
  const char* key;
  Member member;
  unsigned uses;     // FigureUse
  const char* unit;  // "" for a share or a plain number; what the wall clock decides ends in "s"
  const char* doc;
  // As it stands on the progress line; nullptr: not there. "" leaves it out of this step's line.
  std::string (*progress)(const StepMetrics&) = nullptr;
};

// The table of all figures, in the order of the progress line.
const std::vector<Figure>& Figures();

// The row of metrics.jsonl.
nlohmann::json MetricsRow(const StepMetrics& metrics);

}  // namespace cohort::rl
