#pragma once

#include <deque>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "policy/config/routing_format.h"
#include "rl/rollouts/environment.h"
#include "rl/rollouts/lane.h"
#include "rollout/rollout.pb.h"

namespace cohort::rl {

// Completions by the rollout workers, many groups a call. A dead worker's samples are asked for
// again: they depend on (weights, prompt, seed, sample_id) alone, so they come out the same.
class SamplingLane final : public Lane {
 public:
  struct Options {
    std::string run;                                // whose workers they are; "": not checked
    int max_outstanding_samples = 1024;             // a call
    int max_attempts = 4;                           // a group
    int64_t vocab_size = 0;                         // of the policy; 0: ids are not checked
    policy::RoutingFormat routing = {};             // of the policy
    std::chrono::milliseconds deadline{3'600'000};  // of one call
  };
  using Detokenize = std::function<std::string(std::span<const int32_t>)>;
  using Finish = std::function<void(CollectState::Sample&)>;

  // Everything outlives the lane. `policy_version` is what the workers must hold; 0 takes any.
  // `finish` is called for each episode that is over, which is then to be judged.
  SamplingLane(CollectState& state, ServicePool& workers, Environment& environment,
               const rollout::Sampling& sampling, int64_t policy_version, const Options& options,
               const Detokenize& detokenize, Finish finish);

  const char* service_name() const override { return "rollout worker"; }
  bool HasWork() const override { return !pending_.empty(); }
  Awaitable<Served> Serve(const Endpoint& endpoint, int index) override;

 private:
  struct PendingGroup {
    size_t group;
    std::vector<uint64_t> sample_ids;
    int attempts = 0;
  };

  std::vector<PendingGroup> Take();
  rollout::v1::GenerateRequest Request(const std::vector<PendingGroup>& taken) const;
  void Accept(const rollout::v1::Completion& completion, int worker);
  std::string FaultOf(const rollout::v1::Completion& completion);
  std::string RoutingFaultOf(const rollout::v1::Completion& completion);
  Awaitable<void> EndTurn(CollectState::Sample& sample);
  void Return(std::vector<PendingGroup> taken, const grpc::Status& status);

  CollectState& state_;
  ServicePool& workers_;
  Environment& environment_;
  const rollout::Sampling& sampling_;
  const int64_t policy_version_;
  const Options options_;
  const Detokenize& detokenize_;
  const Finish finish_;
  const size_t groups_per_call_;
  std::deque<PendingGroup> pending_;
};

}  // namespace cohort::rl
