#include "rl/run/sft_step.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>

#include "base/error.h"

namespace cohort::rl {
namespace {

void WarnOfSplitChats() {
  static std::atomic<bool> warned = false;
  if (warned.exchange(true)) return;
  spdlog::warn(
      "the chat template renders a chat differently once later turns follow, so that each "
      "assistant "
      "turn of such chats is learnt as a sequence of its own, after its own prompt");
}

}  // namespace

std::vector<Demonstration> NextDemonstrations(RoundContext& context, int count) {
  std::vector<Demonstration> demonstrations;
  for (int i = 0; i < count; ++i) {
    const Problem problem = context.problems.Train(context.progress.data_cursor++);
    COHORT_CHECK(!problem.completion.empty() || problem.last_turn.is_object(),
                 "an sft round's training rows are demonstrations");
    std::vector<Demonstration> of_row = EncodeDemonstration(context.model, problem);
    if (of_row.size() > 1) WarnOfSplitChats();
    std::move(of_row.begin(), of_row.end(), std::back_inserter(demonstrations));
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
    sequence.loss_mask = demonstration.loss_mask;
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
  if (report.mtp_loss.has_value()) outcome.metrics["mtp_loss"] = *report.mtp_loss;
  if (report.busiest_expert > 0) outcome.metrics["busiest_expert"] = report.busiest_expert;
  outcome.shown.loss = report.loss;
  outcome.shown.entropy = report.entropy;
  outcome.shown.train_tokens_per_s = rate;
  return outcome;
}

}  // namespace cohort::rl
