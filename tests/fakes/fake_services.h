#pragma once

// A rollout worker and a reward service whose answers are scripted.

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "reward/reward.grpc.pb.h"
#include "rollout/rollout.grpc.pb.h"

namespace cohort::rl {

// A completion of two tokens that depends on the sample id alone.
inline rollout::v1::Completion ScriptedCompletion(uint64_t group_id, uint64_t sample_id,
                                                  int64_t policy_version) {
  rollout::v1::Completion completion;
  completion.set_group_id(group_id);
  completion.set_sample_id(sample_id);
  completion.add_ids(static_cast<int32_t>(10 + sample_id % 50));
  completion.add_ids(1);
  completion.add_rollout_logprobs(-0.5f);
  completion.add_rollout_logprobs(-0.25f);
  completion.set_finish_reason(rollout::v1::FINISH_REASON_STOP);
  completion.set_policy_version(policy_version);
  return completion;
}

class FakeRolloutService final : public rollout::v1::Rollout::Service {
 public:
  using Writer = grpc::ServerWriter<rollout::v1::Completion>;

  // Called before each sample of a call, numbered over all calls; another status than OK ends the
  // call. Set before the first call.
  std::function<grpc::Status(grpc::ServerContext&, int number)> before_sample;
  // Changes a completion before it is sent.
  std::function<void(rollout::v1::Completion*)> change;

  int calls() const { return calls_; }

  grpc::Status Generate(grpc::ServerContext* context, const rollout::v1::GenerateRequest* request,
                        Writer* writer) override {
    ++calls_;
    for (const rollout::v1::PromptGroup& group : request->groups()) {
      for (const uint64_t sample_id : group.sample_ids()) {
        const int number = samples_++;
        if (before_sample) {
          const grpc::Status status = before_sample(*context, number);
          if (!status.ok()) return status;
        }
        auto completion =
            ScriptedCompletion(group.group_id(), sample_id, request->policy_version());
        completion.set_run(request->run());
        if (change) change(&completion);
        writer->Write(completion);
      }
    }
    return grpc::Status::OK;
  }

 private:
  std::atomic<int> calls_{0}, samples_{0};
};

// Waits until the caller gives the call up, at most a minute.
inline grpc::Status Stall(grpc::ServerContext& context) {
  for (int i = 0; i < 6000 && !context.IsCancelled(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return grpc::Status::CANCELLED;
}

// Scores a sample with its completion's length.
class FakeRewardService final : public reward::Reward::Service {
 public:
  // Called at the beginning of each call; another status than OK ends it. Set before the first.
  std::function<grpc::Status(grpc::ServerContext&, const reward::ScoreRequest&, int call)>
      before_call;
  // Changes a verdict before it is sent; false drops it.
  std::function<bool(reward::Verdict*)> change;

  int calls() const { return calls_; }

  grpc::Status Score(grpc::ServerContext* context, const reward::ScoreRequest* request,
                     grpc::ServerWriter<reward::Verdict>* writer) override {
    const int call = calls_++;
    if (before_call) {
      const grpc::Status status = before_call(*context, *request, call);
      if (!status.ok()) return status;
    }
    for (const reward::Sample& sample : request->samples()) {
      reward::Verdict verdict;
      verdict.set_sample_id(sample.sample_id());
      verdict.set_status(reward::STATUS_OK);
      verdict.set_score(static_cast<double>(sample.completion().size()));
      if (!change || change(&verdict)) writer->Write(verdict);
    }
    return grpc::Status::OK;
  }

 private:
  std::atomic<int> calls_{0};
};

}  // namespace cohort::rl
