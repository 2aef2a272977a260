#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace cohort::rl {

struct SftBenchmarkOptions {
  std::string model;  // as --model takes it
  int steps = 8;      // counted, after `warmup` that are not
  int warmup = 2;
  int sequences = 8;      // a step
  int tokens = 256;       // of each sequence
  int prompt_tokens = 1;  // of them, which nothing is learnt of
  int threads = 0;
  bool bf16 = false;  // optimizer.precision: bfloat16 rather than float32
};

// Runs the learner's SFT steps on sequences of random tokens and gives the median seconds of each
// part: {"step_s", "forward_backward_s", "update_s", "tokens_per_s", ...} and the share of the
// machine's product rates (rl/commands/product_share.h). kUsage where no token would be learnt, or
// for sequences beyond the model's context.
nlohmann::json RunSftBenchmark(const SftBenchmarkOptions& options);

}  // namespace cohort::rl
