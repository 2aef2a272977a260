#pragma once

// The cost of training a model of some shape: memory of each rank, operations, device hours.

#include <cstdint>
#include <span>

#include "policy/config/config.h"
#include "rl/plan/machine.h"

namespace cohort::rl {

// data * tensor ranks. Each holds 1 / tensor of every matrix; the routed experts are spread over
// `expert` of the data ranks besides. AdamW's state and the master weights are spread over the data
// ranks that hold the same parameters (ZeRO stage 1, arXiv 1910.02054).
struct TrainingLayout {
  int64_t data = 1;
  int64_t expert = 1;
  int64_t tensor = 1;
  int64_t microbatch_tokens = 4096;
};

// kUsage unless `expert` divides the data ranks and the experts, `tensor` the attention heads.
void CheckLayout(const policy::ModelConfig& config, const TrainingLayout& layout);

// Bytes of one rank.
struct RankMemory {
  double weights = 0;      // bfloat16, 2 a parameter
  double gradients = 0;    // fp32, 4
  double optimizer = 0;    // fp32 master weights and two moments, 12, spread over replicas
  double activations = 0;  // bfloat16 inputs of every layer; the rest is computed again
  double total() const { return weights + gradients + optimizer + activations; }
};
RankMemory MemoryPerRank(const policy::ModelConfig& config, const TrainingLayout& layout);

// Forward and backward: 6 operations a multiplied parameter, and 3 times the forward's causal
// attention, whose mean query sees half of `context`: 2 H (query + value width) a layer and pair.
double TrainingFlopsPerToken(const policy::ModelConfig& config, int64_t context);

// So many sequences' tokens at the positions from `first` on, each attending to all before it.
struct TokenRange {
  int64_t first = 0;
  int64_t tokens = 0;
  int64_t count = 1;
};
// The operations of a forward pass over exactly these tokens, of which `head_rows` have logits. A
// backward pass has twice as many.
double ForwardFlops(const policy::ModelConfig& config, std::span<const TokenRange> ranges,
                    int64_t head_rows);

struct TrainingCost {
  double device_hours = 0;
  double dollars = 0;
};
// `utilization`: the share of the machine's bf16 rate that useful operations reach.
TrainingCost CostOfTraining(double flops_per_token, double tokens, const Machine& machine,
                            double utilization);

// DeepSeek-V3's own account. arXiv 2412.19437 table 1: H800 hours of all stages and of
// pre-training, tokens of pre-training; arXiv 2505.09343 table 4: utilization of bf16, causal
// attention counted.
struct PublishedRun {
  double device_hours = 2.788e6;
  double pretraining_hours = 2.664e6;
  double tokens = 14.8e12;
  double utilization = 0.3894;
};

}  // namespace cohort::rl
