#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/cpu/ops.h"
#include "rl/learner/adamw.h"

namespace cohort::rl {

// How a step changes the routing of tokens to experts.
struct RoutingOptions {
  double selection_bias_rate = 0.001;  // arXiv 2412.19437 section 2.1.2; 0: the bias stays
  bool freeze_router = false;
};

// How a learner computes and steps. A plain value; the run makes it of its recipe.
struct LearnerOptions {
  at::Device device = at::kCPU;
  // The dtype of weights and activations: fp32, or bf16 with fp32 master weights in the optimizer.
  at::ScalarType compute_dtype = at::kFloat;
  // In which class our CPU kernels multiply fp32 weights and activations: a bf16 one is
  // mixed precision (arXiv 1710.03740), whose master weights are the parameters themselves.
  kernels::Numerics numerics = kernels::Numerics::kFloat32;
  AdamWOptions optimizer = {};
  int64_t max_tokens_per_microbatch = 2048;  // bounds memory; does not change the gradient
  // Bytes of the layers' activations of a micro-batch; 0: all are kept. Within it the fewest layers
  // are computed again in the backward pass, and micro-batches are smaller where all are too few.
  int64_t activation_memory = 0;
  // A pass that runs out of memory is done again with micro-batches of half the tokens.
  bool retry_out_of_memory = true;
  RoutingOptions routing = {};
  double sampling_temperature = 1;  // of the rollouts; 0, greedy, is learnt as 1
  double mtp_loss_weight = 0;       // lambda of arXiv 2412.19437 eq. 25, in SftUpdate
};

}  // namespace cohort::rl
