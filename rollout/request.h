#pragma once

// A request to the decoder and its answer, in memory; rollout.proto has the same on the wire.

#include <cstdint>
#include <string>
#include <vector>

namespace cohort::rollout {

// Logits over a smaller temperature leave the range of fp32.
constexpr double kLeastTemperature = 0.001;

struct Sampling {
  double temperature = 1.0;  // 0 = greedy (logprobs are then those at temperature 1)
  int32_t top_k = 0;         // 0 = off
  double top_p = 1.0;        // 1 = off
  int32_t max_new_tokens = 256;
  std::vector<int32_t> stop_ids = {};
  uint64_t seed = 0;
  bool record_routing = false;  // of a mixture of experts: which ones each token went to
};

struct GroupRequest {
  uint64_t group_id = 0;
  std::vector<int32_t> prompt_ids = {};   // not empty
  std::vector<uint64_t> sample_ids = {};  // one completion each
  Sampling sampling = {};
};

enum class FinishReason { kStop, kLength };

struct SampledCompletion {
  uint64_t group_id = 0;
  uint64_t sample_id = 0;
  std::vector<int32_t> ids;             // stop token included
  std::vector<float> rollout_logprobs;  // log_softmax(logits / temperature)[id], whole vocabulary
  FinishReason finish_reason = FinishReason::kStop;
  int64_t policy_version = 0;
  // Where asked for, in the format of policy/config/routing_format.h: of the completion without its
  // last token, which is not computed; and, in one sample of a group, of the prompt.
  std::string routing = {}, prompt_routing = {};
};

}  // namespace cohort::rollout
