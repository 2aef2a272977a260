#pragma once

// How fast the decoder is, for `cohort bench decode` and `bench prefill`.

#include <cstdint>
#include <vector>

#include "kernels/cpu/machine_rates.h"
#include "policy/config/config.h"
#include "policy/weights/weight_source.h"
#include "rollout/decoder/decoder.h"

namespace cohort::rollout {

struct DecodeBenchmark {
  std::vector<int32_t> batches = {1, 8, 32};
  int32_t prompt_tokens = 64;
  int32_t new_tokens = 128;
  bool decodes = true;          // false: prompts alone, new_tokens does not matter
  int32_t repeats = 1;          // the fastest counts
  bool shared_prompt = false;   // one group of `batch` samples, or `batch` groups of one
  DecoderOptions decoder = {};  // max_running is raised to the batch where lower
};

struct DecodeSpeed {
  int32_t batch = 0;
  double decode_tokens_per_s = 0;  // 0 where none was measured
  double prefill_tokens_per_s = 0;
};

struct DecodeBenchmarkResult {
  std::vector<DecodeSpeed> speeds;  // in the order of batches
  kernels::MachineRates rates;      // of the same run, with the same number of threads
  int threads = 0;
};

// Random prompts, other ones in each repeat, temperature 1, no stop token. kUsage for a size below
// 1 or one that the decoder refuses.
DecodeBenchmarkResult RunDecodeBenchmark(const policy::ModelConfig& config,
                                         policy::WeightSource& weights,
                                         const DecodeBenchmark& benchmark);

}  // namespace cohort::rollout
