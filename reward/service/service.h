#pragma once

#include <list>
#include <map>
#include <mutex>
#include <string>

#include "base/rpc_token.h"
#include "reward/reward.grpc.pb.h"
#include "reward/service/scorer.h"

namespace cohort::reward {

struct RewardServiceSettings {
  std::chrono::milliseconds default_limit{10'000};  // per sample and term
  bool allow_plugins = true;  // `custom` loads code from a path in the request
  std::string token = {};     // that callers must show; "": none
};

// The RPC face of the scorer (gRPC's callback API). Thread-safe. The scorer must outlive it, and
// the gRPC server must be shut down before either goes.
class RewardService final : public Reward::CallbackService {
 public:
  RewardService(const RewardServiceSettings& settings, Scorer* scorer)
      : settings_(settings), gate_(settings.token), scorer_(scorer) {}

  // New calls fail with UNAVAILABLE and health says so; running ones go on.
  void BeginDrain() { draining_ = true; }

  // UNAUTHENTICATED: without the token. INVALID_ARGUMENT: unknown reward or option, bad sizes.
  // RESOURCE_EXHAUSTED: the queue is full.
  grpc::ServerWriteReactor<Verdict>* Score(grpc::CallbackServerContext* context,
                                           const ScoreRequest* request) override;
  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context,
                                     const DescribeRequest* request, DescribeReply* reply) override;
  grpc::ServerUnaryReactor* Health(grpc::CallbackServerContext* context,
                                   const HealthRequest* request, HealthReply* reply) override;

 private:
  std::shared_ptr<ScoreBatch> MakeBatch(const ScoreRequest& request);
  std::shared_ptr<const Grader> CachedGrader(const RewardTerm& term);
  std::shared_ptr<const Grader> KnownGrader(const std::string& key);  // with mutex_ held

  const RewardServiceSettings settings_;
  base::TokenGate gate_;
  Scorer* const scorer_;
  std::atomic<bool> draining_{false};
  std::mutex mutex_;
  // Compiled patterns and running plug-ins are kept from call to call, the latest used in front.
  std::list<std::pair<std::string, std::shared_ptr<const Grader>>> graders_;  // guarded by mutex_
};

}  // namespace cohort::reward
