#include "rl/sft_step.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "rl/prompt_encoding.h"

namespace cohort::rl {

std::vector<Demonstration> NextDemonstrations(RoundContext& context, int count) {
  std::vector<Demonstration> demonstrations;
  for (int i = 0; i < count; ++i) {
    const Problem problem = context.problems.Train(context.progress.data_cursor++);
    COHORT_CHECK(!problem.completion.empty(), "an sft round's training rows are demonstrations");
    EncodedPrompt prompt = problem.messages.is_null()
                               ? EncodeText(context.model, problem.prompt)
                               : EncodeMessages(context.model, problem.messages);
    demonstrations.push_back(
        {std::move(prompt.ids), EncodeCompletion(context.model, problem.completion)});
  }
  return demonstrations;
}

StepOutcome SftStep(RoundContext& context, const proto::Round& round,
                    const std::vector<Demonstration>& demonstrations) {
  std::vector<TrainingSequence> sequences;
  for (const Demonstration& demonstration : demonstrations) {
    TrainingSequence sequence;
    sequence.ids = demonstration.prompt_ids;
    sequence.prompt_length = static_cast<int64_t>(sequence.ids.size());
    sequence.ids.insert(sequence.ids.end(), demonstration.completion_ids.begin(),
                        demonstration.completion_ids.end());
    sequences.push_back(std::move(sequence));
  }
  const auto start = std::chrono::steady_clock::now();
  const double learning_rate = RoundLearningRate(round, context.progress.updates_in_round);
  const UpdateReport report = context.learner.SftUpdate(sequences, learning_rate);
  ++context.progress.updates_in_round;
  ++context.progress.policy_version;
  const double train_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  StepOutcome outcome;
  const double rate = static_cast<double>(report.trained_tokens) / std::max(1e-9, train_s);
  outcome.metrics = {{"loss", report.loss},
                     {"entropy", report.entropy},
                     {"grad_norm", report.grad_norm},
                     {"learning_rate", learning_rate},
                     {"skipped_updates", report.skipped.empty() ? 0 : 1},
                     {"trained_tokens", report.trained_tokens},
                     {"train_s", train_s},
                     {"train_tokens_per_s", rate}};
  if (report.busiest_expert > 0) outcome.metrics["busiest_expert"] = report.busiest_expert;
  outcome.shown.loss = report.loss;
  outcome.shown.entropy = report.entropy;
  outcome.shown.train_tokens_per_s = rate;
  return outcome;
}

}  // namespace cohort::rl
