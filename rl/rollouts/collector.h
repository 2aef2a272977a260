#pragma once

// Prompts in, scored groups out: the rollout workers sample, the reward services judge, both at
// once.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "reward/reward.pb.h"
#include "rl/fleet/worker_pool.h"
#include "rollout/request.h"

namespace cohort::rl {

struct PromptTask {
  uint64_t group_id = 0;
  std::string prompt_text;
  std::vector<int32_t> prompt_ids;
  std::string answer;
  std::string columns_json;
  std::vector<uint64_t> sample_ids;  // one completion each; unique within a Collect
};

struct RewardComponent {
  std::string name;
  double score = 0;  // before the weight; meaningless unless ok
  bool ok = false;
  bool applies = true;  // false: it has nothing to say about this sample, which is no failure
  std::string detail;
  std::optional<std::string> answer;  // found in the completion; absent: the reward looks for none
};

struct Sample {
  uint64_t sample_id = 0;
  std::vector<int32_t> ids;  // completion only, stop token included
  std::vector<float> rollout_logprobs;
  rollout::FinishReason finish_reason = rollout::FinishReason::kStop;
  int64_t policy_version = 0;
  std::string text;
  bool reward_ok = false;      // false: never to be read as a reward of 0; the sample is left out
  bool reward_applies = true;  // false: no reward has anything to say about it; else it failed
  double reward = 0;           // weighted sum; meaningless unless reward_ok
  std::string reward_detail;
  std::vector<RewardComponent> components;
};

struct Group {
  PromptTask task;
  std::vector<Sample> samples;  // ordered as task.sample_ids
};

struct CollectStats {
  double decode_seconds = 0;  // until the last completion arrived
  double reward_seconds = 0;  // what scoring added after that
  double wall_seconds = 0;
  uint64_t completion_tokens = 0;
  uint32_t reissued_samples = 0;  // sampled again because their worker died or refused
  uint32_t failed_rewards = 0;
  uint32_t worker_restarts = 0;  // of a Fleet, since its last Collect: workers and reward services
};

struct CollectorOptions {
  int max_outstanding_samples = 1024;       // per worker
  int max_samples_per_score = 64;           // per Score call
  int max_score_calls = 2;                  // in flight per reward service
  int max_attempts = 4;                     // per sample, for decoding and again for scoring
  uint32_t sample_deadline_ms = 0;          // of a grader; 0 = the reward service's default
  double score_deadline_seconds = 120;      // of one Score call
  double generate_deadline_seconds = 3600;  // of one Generate call
  double no_service_seconds = 120;          // how long Collect waits when nobody serves
};

// Owned and called by one thread; the pool must outlive it.
class Collector {
 public:
  Collector(WorkerPool& pool, const CollectorOptions& options,
            std::function<std::string(std::span<const int32_t>)> detokenize);

  // Groups in input order, every sample present. A dead worker's samples are issued again: they
  // depend on (weights, prompt, seed, sample_id) alone, so they come out the same. Errors: kUsage
  // when a worker or a reward service rejects the request itself; kUnavailable when nobody serves
  // in time.
  std::vector<Group> Collect(std::vector<PromptTask> tasks, const rollout::Sampling& sampling,
                             const std::vector<reward::RewardTerm>& terms, CollectStats* stats);

 private:
  WorkerPool& pool_;
  CollectorOptions options_;
  std::function<std::string(std::span<const int32_t>)> detokenize_;
};

}  // namespace cohort::rl
