#include "rl/run/sft_update.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/seconds_since.h"
#include "rl/learner/learner.h"

namespace cohort::rl {

std::vector<TrainingSequence> DemonstrationSequences(
    const std::vector<Demonstration>& demonstrations) {
  std::vector<TrainingSequence> sequences;
  for (const Demonstration& demonstration : demonstrations) {
    TrainingSequence& sequence = sequences.emplace_back();
    sequence.ids = demonstration.prompt_ids;
    sequence.prompt_length = static_cast<int64_t>(sequence.ids.size());
    sequence.ids.insert(sequence.ids.end(), demonstration.completion_ids.begin(),
                        demonstration.completion_ids.end());
    sequence.loss_mask = demonstration.loss_mask;
  }
  MarkCommonPrompts(sequences);
  return sequences;
}

StepRecord UpdateOnDemonstrations(RunContext& context, const proto::RoundSpec& spec,
                                  StepWork work) {
  const auto start = std::chrono::steady_clock::now();
  const double learning_rate = NextLearningRate(context, spec, spec.steps());
  const UpdateReport report = context.learner.SftUpdate(work.sequences, learning_rate);
  ++context.progress.updates_in_round;
  ++context.progress.policy_version;
  const double train_s = base::SecondsSince(start);

  StepRecord record = std::move(work.record);
  record.entry.updates = {{learning_rate, report}};
  record.entry.demonstrations = std::move(work.sequences);
  StepMetrics& metrics = record.metrics;
  metrics.loss = report.loss;
  metrics.mtp_loss = report.mtp_loss;
  metrics.entropy = report.entropy;
  metrics.grad_norm = report.grad_norm;
  metrics.learning_rate = learning_rate;
  metrics.skipped_updates = report.skipped.empty() ? 0 : 1;
  if (report.busiest_expert > 0) metrics.busiest_expert = report.busiest_expert;
  metrics.trained_tokens = report.trained_tokens;
  metrics.train_s = train_s;
  metrics.train_tokens_per_s = static_cast<double>(report.trained_tokens) / std::max(1e-9, train_s);
  return record;
}

}  // namespace cohort::rl
