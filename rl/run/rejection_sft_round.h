#pragma once

#include <filesystem>
#include <vector>

#include "rl/data/demonstration.h"
#include "rl/run/round.h"
#include "rl/run/run_context.h"

namespace cohort::rl {

// Rejection sampling (DeepSeek-R1, arXiv 2501.12948 section 2.3.3): before its first step the
// policy answers spec.prompts_per_step() training problems spec.group_size() times; answers that
// ended by themselves with a reward of at least spec.min_reward(), each different one once, become
// demonstrations, which the steps then learn in shuffled epochs.
class RejectionSftRound final : public Round {
 public:
  // References only: context and spec outlive it. `round`: its index in the recipe.
  RejectionSftRound(RunContext& context, const proto::RoundSpec& spec, int round);

  // Samples, and writes the demonstrations to the run folder before the first step, since a resumed
  // run has another policy. Errors: kUsage when no answer is good enough.
  void Begin() override;
  void Resume() override;  // reads what Begin wrote
  StepWork Take() override;
  StepRecord Update(StepWork work) override;

 private:
  std::filesystem::path StoragePath() const;

  RunContext& context_;
  const proto::RoundSpec& spec_;
  const int round_;
  std::vector<Demonstration> demonstrations_;
  // Record of the sampling, for the round's first step.
  StepMetrics figures_;
  std::vector<EpisodeGroup> sampled_;
};

}  // namespace cohort::rl
