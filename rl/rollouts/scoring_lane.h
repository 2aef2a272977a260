#pragma once

#include <deque>
#include <vector>

#include "reward/reward.pb.h"
#include "rl/rollouts/lane.h"

namespace cohort::rl {

// Verdicts by the reward services: episodes go out as they are finished, a few calls in flight a
// service. A sample whose reward cannot be had gets a verdict that says so, and never a score of 0.
class ScoringLane final : public Lane {
 public:
  struct Options {
    int max_samples_per_call = 64;
    int max_attempts = 4;                         // a sample
    uint32_t sample_deadline_ms = 0;              // of a grader; 0 = the service's default
    std::chrono::milliseconds deadline{120'000};  // of one call
  };

  // Everything outlives the lane. Without terms every episode is graded with a score of 0.
  ScoringLane(CollectState& state, ServicePool& services,
              const std::vector<reward::RewardTerm>& terms, const Options& options);

  void Add(CollectState::Sample& sample);

  const char* service_name() const override { return "reward service"; }
  bool HasWork() const override { return !unscored_.empty(); }
  Awaitable<Served> Serve(const Endpoint& endpoint, int index) override;

 private:
  Awaitable<void> Gather();
  std::vector<uint64_t> Take();
  reward::ScoreRequest Request(const std::vector<uint64_t>& batch);
  void Accept(const reward::Verdict& verdict);
  void Fail(uint64_t sample_id, const std::string& detail);
  void Return(const std::vector<uint64_t>& batch, const grpc::Status& status);

  CollectState& state_;
  ServicePool& services_;
  const std::vector<reward::RewardTerm>& terms_;
  const Options options_;
  std::deque<uint64_t> unscored_;  // sample ids
};

}  // namespace cohort::rl
