#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace cohort::rl {

struct StepBenchmarkOptions {
  std::string model;  // as --model takes it
  int steps = 8;      // counted, after `warmup` that are not
  int warmup = 2;
  int prompts = 8;
  int group_size = 8;
  int prompt_tokens = 32;
  int new_tokens = 64;
  int threads = 0;
  double kl_coef = 0;
  bool bf16 = false;  // optimizer.precision and rollout.dtype: bfloat16 rather than float32
  bool fp8 = false;   // optimizer.precision: fp8, beside bf16
  int64_t kv_cache_bytes = int64_t{1} << 30;  // of the worker
};

// Runs GRPO steps through the whole path (worker, reward service, learner) and gives the median
// seconds of each part: {"step_s", "decode_s", "reward_s", "forward_backward_s", "update_s",
// "publish_s", "completions_per_s", "completion_tokens_per_s", ...}, and the share of the machine's
// product rates that the forward and backward passes reach (rl/commands/product_share.h).
nlohmann::json RunStepBenchmark(const StepBenchmarkOptions& options);

}  // namespace cohort::rl
