#pragma once

// A dense model as a mixture of experts that computes the same function (sparse upcycling, arXiv
// 2212.05055). Everything but the FFNs is taken over; every layer gets a router of random weights,
// normal(0, 0.02) as there, and routed experts that are copies of each other.
//
// Let f(x) = W_down (silu(W_gate x) * W_up x) be the dense FFN of width F. A sum over its F hidden
// units can be cut anywhere: f = f_1 + ... + f_n, where f_i has the i-th part of W_gate's and
// W_up's rows and of W_down's columns. Without shared experts every routed expert is f. The K
// chosen ones have weights w_k that sum to 1 (normalised, scaled by 1), so y = sum_k w_k f(x) =
// f(x), whichever are chosen. With S shared experts F is cut into S + 1 parts of width m = ceil(F /
// (S + 1)), the last one filled up with units of zero weights, which add nothing. The shared
// expert, of width S m, is f_1 + ... + f_S; every routed expert is f_{S+1}: y = shared(x) + sum_k
// w_k f_{S+1}(x) = f(x). The cut into parts is that of fine-grained experts (arXiv 2401.06066
// section 3.1). Both hold up to rounding; training, or `noise`, then takes the copies apart.

#include <cstdint>
#include <string>

#include "policy/model.h"

namespace cohort::policy {

struct UpcycleOptions {
  int64_t experts = 0;  // E, routed
  int64_t top_k = 0;    // K
  int64_t shared = 0;   // S
  // Gaussian noise on the routed experts' weights, in standard deviations of the dense tensor;
  // 0 keeps the function.
  double noise = 0;
  uint64_t seed = 1;  // of routers and noise
};

// "experts=16,top_k=4,shared=1,noise=0.01,seed=2"; the first two are required. kUsage otherwise.
UpcycleOptions ParseUpcycleOptions(const std::string& text);

// Family of the result: with shared experts glm4_moe; else mixtral, or qwen3_moe for a model with
// norms of queries and keys. kUsage for a model that has experts already, or whose other layers
// none of these can have: norms after attention, layers without rope, factors.
ModelConfig UpcycledConfig(const ModelConfig& dense, const UpcycleOptions& options);

// The experts of a layer share one tensor's memory where there is no noise.
Model Upcycle(const Model& dense, const UpcycleOptions& options);

}  // namespace cohort::policy
