#pragma once

#include "rl/run/round.h"
#include "rl/run/run_context.h"

namespace cohort::rl {

// Supervised fine-tuning: a step learns the demonstrations of the next spec.sequences_per_step()
// rows of the training data. A chat gives several sequences where its template must see each turn
// alone.
class SftRound final : public Round {
 public:
  // References only: context and spec outlive it.
  SftRound(RunContext& context, const proto::RoundSpec& spec) : context_(context), spec_(spec) {}

  StepWork Take() override;
  StepRecord Update(StepWork work) override;

 private:
  RunContext& context_;
  const proto::RoundSpec& spec_;
};

}  // namespace cohort::rl
