#include "rl/run/sft_round.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <iterator>
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

}  // namespace

StepWork SftRound::Take() {
  std::vector<Demonstration> demonstrations;
  for (int i = 0; i < spec_.sequences_per_step(); ++i) {
    const SharedProblem row = context_.problems.Train(context_.progress.data_cursor++);
    const Problem& problem = row->problem;
    COHORT_CHECK(!problem.completion.empty() || problem.last_turn.is_object(),
                 "an sft round's training rows are demonstrations");
    std::vector<Demonstration> of_row = EncodeDemonstration(context_.model, problem);
    if (of_row.size() > 1) WarnOfSplitChats();
    std::move(of_row.begin(), of_row.end(), std::back_inserter(demonstrations));
  }
  return {DemonstrationSequences(demonstrations), {}};
}

StepRecord SftRound::Update(StepWork work) {
  return UpdateOnDemonstrations(context_, spec_, std::move(work));
}

}  // namespace cohort::rl
