#include "rl/run/sft_round.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/error.h"
#include "rl/run/sft_update.h"

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

// Tokens of a prompt and its completion together.
int64_t SequenceLimit(const RunContext& context) {
  const int64_t room = context.model.config.max_positions;
  const int64_t wanted = context.recipe.data().max_sequence_tokens();
  return wanted > 0 ? std::min(wanted, room) : room;
}

// False: it is left out, since it is too long and the recipe says so or nothing would be left.
bool Fits(const RunContext& context, Demonstration* demonstration, StepMetrics* metrics) {
  const auto prompt = static_cast<int64_t>(demonstration->prompt_ids.size());
  const auto completion = static_cast<int64_t>(demonstration->completion_ids.size());
  const int64_t limit = SequenceLimit(context);
  if (prompt + completion <= limit) return true;
  if (context.recipe.data().overlong() == proto::Data::OVERLONG_DROP || prompt >= limit) {
    metrics->dropped_demonstrations = metrics->dropped_demonstrations.value_or(0) + 1;
    return false;
  }
  demonstration->completion_ids.resize(static_cast<size_t>(limit - prompt));
  if (!demonstration->loss_mask.empty()) {
    demonstration->loss_mask.resize(static_cast<size_t>(limit - prompt));
  }
  metrics->cut_demonstrations = metrics->cut_demonstrations.value_or(0) + 1;
  return true;
}

}  // namespace

StepWork SftRound::Take() {
  std::vector<Demonstration> demonstrations;
  StepMetrics metrics;
  // Rows of which none fits would never end; a generator has no end of its own.
  constexpr uint64_t kRowsOfAGenerator = 10'000;
  const uint64_t size = context_.problems.train_size();
  const uint64_t rows = size > 0 ? size : kRowsOfAGenerator;
  uint64_t left_out = 0;
  for (int i = 0; i < spec_.sequences_per_step();) {
    const SharedProblem row = context_.problems.Train(context_.progress.data_cursor++);
    const Problem& problem = row->problem;
    COHORT_CHECK(!problem.completion.empty() || problem.last_turn.is_object(),
                 "an sft round's training rows are demonstrations");
    std::vector<Demonstration> of_row = EncodeDemonstration(context_.model, problem);
    if (of_row.size() > 1) WarnOfSplitChats();
    const size_t before = demonstrations.size();
    for (Demonstration& one : of_row) {
      if (Fits(context_, &one, &metrics)) demonstrations.push_back(std::move(one));
    }
    const bool taken = demonstrations.size() > before;
    i += taken ? 1 : 0;
    left_out = taken ? 0 : left_out + 1;
    if (left_out > rows) {
      throw Error(ErrorCode::kUsage,
                  "every demonstration is longer than " + std::to_string(SequenceLimit(context_)) +
                      " tokens",
                  "raise data.max_sequence_tokens, or use a model with a longer context");
    }
  }
  TellOnce(metrics);
  StepWork work{DemonstrationSequences(demonstrations), {}};
  work.record.metrics = metrics;
  return work;
}

void SftRound::TellOnce(const StepMetrics& metrics) {
  const int64_t cut = metrics.cut_demonstrations.value_or(0);
  const int64_t dropped = metrics.dropped_demonstrations.value_or(0);
  if (told_ || cut + dropped == 0) return;
  told_ = true;
  context_.console.Warn("demonstrations longer than " + std::to_string(SequenceLimit(context_)) +
                        " tokens (data.max_sequence_tokens, the model's context) are " +
                        (cut > 0 ? "cut" : "left out") +
                        "; cut_demonstrations and dropped_demonstrations of metrics.jsonl count "
                        "them, data.overlong chooses");
}

StepRecord SftRound::Update(StepWork work) {
  return UpdateOnDemonstrations(context_, spec_, std::move(work));
}

}  // namespace cohort::rl
