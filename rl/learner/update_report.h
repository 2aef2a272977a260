#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rl/learner/ranks.h"
#include "rl/objectives/policy_loss_metrics.h"

namespace cohort::rl {

// The figures of one optimizer step, all ranks together.
struct UpdateReport {
  double loss = 0;
  double entropy = 0;  // nats a token, of the policy before the update, over the trained samples
  double grad_norm = 0;
  std::string skipped;         // empty, or why the weights are as they were
  int64_t trained_tokens = 0;  // prompt and completion tokens that went through the policy
  double busiest_expert = 0;   // most loaded expert of any layer over the fair share; 0 when dense
  // Tokens x MoE layers whose routing was replayed, and those of them that the policy's own gates
  // would have sent to other experts.
  int64_t replayed_tokens = 0, rerouted_tokens = 0;
  PolicyLossMetrics policy;  // empty for SFT
  double forward_backward_s = 0;
  double update_s = 0;
  std::optional<double> mtp_loss;  // SFT of a policy with multi-token-prediction layers, eq. 25
};

// The sums over one rank's micro-batches of a step.
struct UpdateSums {
  double loss = 0;
  double entropy = 0;          // nats
  int64_t entropy_tokens = 0;  // completion tokens that the loss counts
  int64_t trained_tokens = 0;
  int64_t replayed_tokens = 0, rerouted_tokens = 0;
  PolicyLossMetrics policy;
  std::optional<double> mtp_loss;
};

// The part of the report that the forward passes of all ranks tell.
UpdateReport SumReport(Ranks& ranks, const UpdateSums& own);

}  // namespace cohort::rl
