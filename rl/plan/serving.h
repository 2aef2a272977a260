#pragma once

// How fast a model of some shape can decode at best: the roofline of bytes read and operations done
// in one step (arXiv 2211.05102 section 2).

#include <cstdint>

#include "policy/config/config.h"
#include "policy/tensor/dtype.h"
#include "rl/plan/machine.h"

namespace cohort::rl {

struct DecodeLoad {
  policy::Dtype dtype = policy::Dtype::kBFloat16;  // of the weights; kFloat8E4m3 is block-scaled
  int64_t batch = 1;                               // sequences decoded together
  int64_t context = 4096;                          // cached tokens of each
  int64_t devices = 0;  // that share the work evenly, at no cost; 0: the fewest that hold it
};

struct DecodeRoofline {
  int64_t devices = 0;
  double experts_read = 0;  // different ones that a MoE layer reads: E (1 - (1 - K / E)^batch)
  double weight_bytes = 0;  // read in a step
  double cache_bytes = 0;   // read in a step: what the batch has cached, in bfloat16
  double flops = 0;         // of a step
  double bandwidth_s = 0;   // that a step takes at least
  double arithmetic_s = 0;  // that a step takes at least
  double tokens_per_s = 0;  // batch / the longer of the two
};

// Routing is taken as uniform: skewed routing reads fewer experts. Latent attention is counted in
// its absorbed form. Devices are filled to 90 % when `load.devices` is 0.
DecodeRoofline PlanDecoding(const policy::ModelConfig& config, const Machine& machine,
                            const DecodeLoad& load);

double DollarsPerMillionTokens(const DecodeRoofline& roofline, const Machine& machine);

}  // namespace cohort::rl
