#pragma once

// Rollout routing replay (R3, arXiv 2510.11370): the learner sends each token to the experts that
// the decoder sent it to.

#include <ATen/core/Tensor.h>

#include <span>

#include "policy/config/routing_format.h"
#include "rl/learner/batch.h"

namespace cohort::rl {

// Of the micro-batch's rows, [T, MoE layers, experts a token] int32 on the CPU; undefined where its
// sequences have no routing. kInternal when only some have, or one has that of other tokens than
// its own; experts that the model does not have are the caller's to refuse
// (RoutingFormat::FaultOf).
at::Tensor ReplayedExperts(std::span<const TrainingSequence> sequences, const MicroBatch& batch,
                           const policy::RoutingFormat& format);

}  // namespace cohort::rl
