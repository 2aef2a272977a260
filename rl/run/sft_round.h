#pragma once

#include "rl/run/round.h"
#include "rl/run/run_context.h"

namespace cohort::rl {

// Supervised fine-tuning: a step learns the demonstrations of the next spec.sequences_per_step()
// rows of the training data. A chat gives several sequences where its template must see each turn
// alone. A sequence longer than data.max_sequence_tokens or the model's context is cut or left out,
// as data.overlong says, and counted.
class SftRound final : public Round {
 public:
  // References only: context and spec outlive it.
  SftRound(RunContext& context, const proto::RoundSpec& spec) : context_(context), spec_(spec) {}

  StepWork Take() override;
  StepRecord Update(StepWork work) override;

 private:
  void TellOnce(const StepMetrics& metrics);

  RunContext& context_;
  const proto::RoundSpec& spec_;
  bool told_ = false;  // that some demonstrations are too long
};

}  // namespace cohort::rl
