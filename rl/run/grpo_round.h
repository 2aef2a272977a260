#pragma once

#include "rl/objectives/policy_objective.h"
#include "rl/rollouts/group_buffer.h"
#include "rl/run/round.h"
#include "rl/run/run_context.h"

namespace cohort::rl {

// Group relative policy optimization (arXiv 2402.03300): a step samples groups of completions, has
// them judged, and turns group-relative advantages into spec.updates_per_step() optimizer steps.
class GrpoRound final : public Round {
 public:
  // References only: context and spec outlive it. `objective` is resolved.
  GrpoRound(RunContext& context, const proto::RoundSpec& spec, const proto::Objective& objective);

  bool samples() const override { return true; }
  void Begin() override;
  StepWork Take() override;
  StepRecord Update(StepWork work) override;
  void Release() override { buffer_.Release(); }

 private:
  RunContext& context_;
  const proto::RoundSpec& spec_;
  const proto::Objective objective_;
  const PolicyObjective policy_objective_;
  GroupBuffer buffer_;
};

}  // namespace cohort::rl
