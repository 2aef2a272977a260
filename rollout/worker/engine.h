#pragma once

// The thread that owns the decoder: takes requests from many calls through a bounded queue,
// delivers completions as they finish, swaps weights between requests.

#include <grpcpp/support/status.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "policy/weights/weight_source.h"
#include "rollout/decoder/decoder.h"

namespace cohort::rollout {

struct EngineOptions {
  // For the first Swap of an engine that was given no decoder.
  std::function<std::unique_ptr<Decoder>(policy::WeightSource& weights, int64_t policy_version)>
      make_decoder = {};
  uint64_t max_outstanding_samples = 8192;  // waiting and running, all requests together
};

// Which policy: a version, and of which start of a run (RUN_ID/STARTED_MS).
struct PolicyName {
  std::string run;  // "": weights that no run published; of a request: any
  int64_t version = 0;
};

// Both run on the engine's thread, must be quick and must not call back into the engine.
struct RequestSink {
  std::function<void(SampledCompletion, const std::string& run)> on_completion;
  // The last call, exactly once, also after Cancel.
  std::function<void(const grpc::Status&)> on_end;
};

struct EngineHealth {
  bool serving = false;  // has weights, admits requests
  PolicyName policy;
  uint64_t tokens_generated = 0;
  uint64_t tokens_computed = 0;  // generated ones and those of prompts; grows with every step
  uint32_t running = 0;
  uint32_t waiting = 0;
  std::string failure;  // not empty: the decoder broke and the process should end
};

// Every method may be called from any thread.
class Engine {
 public:
  using Clock = std::chrono::steady_clock;

  // `decoder` may be null: the first Swap makes it.
  Engine(EngineOptions options, std::unique_ptr<Decoder> decoder);
  ~Engine();  // requests that still run end with UNAVAILABLE
  Engine(const Engine&) = delete;

  // Not OK: refused, and the sink is never called. UNAVAILABLE without weights, before a swap, in a
  // drain; RESOURCE_EXHAUSTED when full; FAILED_PRECONDITION for another policy than
  // `expected` (version 0 = any). The request's id goes to `request_id` before the sink's first
  // call.
  grpc::Status Submit(std::vector<GroupRequest> groups, const PolicyName& expected,
                      RequestSink sink, uint64_t* request_id);
  void Cancel(uint64_t request_id);

  // Admits nothing more, lets what was admitted finish under the old version, then swaps and calls
  // `on_done` once. UNAVAILABLE when another swap is waiting.
  void Swap(std::unique_ptr<policy::WeightSource> weights, const PolicyName& policy,
            std::function<void(const grpc::Status&)> on_done);
  void CancelSwap();  // the one that waits, if any: ends with CANCELLED

  // Admits nothing more for good; `on_done(samples left unfinished)` at idle or at `deadline`.
  void Drain(Clock::time_point deadline, std::function<void(uint32_t)> on_done);

  EngineHealth health() const;

 private:
  struct Request {
    RequestSink sink;
    std::vector<GroupRequest> groups;  // until admitted
    std::vector<uint64_t> decoder_groups;
    uint64_t unfinished = 0;
  };
  struct PendingSwap;

  void Run();
  void Admit(uint64_t request_id, Request request);
  void StepOnce();
  void Deliver(SampledCompletion completion);
  void PerformSwap(std::unique_ptr<PendingSwap> swap);
  void AnswerDrains(std::unique_lock<std::mutex>& lock);
  void End(uint64_t request_id, const grpc::Status& status);
  void EndAll(const grpc::Status& status);
  void PublishCounters();

  const EngineOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<uint64_t, Request> inbox_;
  std::vector<uint64_t> cancelled_;
  std::unique_ptr<PendingSwap> swap_;
  std::multimap<Clock::time_point, std::function<void(uint32_t)>> drains_;  // by deadline
  bool stopping_ = false;
  bool draining_ = false;
  bool swapping_ = false;  // from Swap to its on_done
  uint64_t outstanding_ = 0;
  uint64_t next_request_ = 1;
  EngineHealth health_;

  // Below: the engine's thread only.
  std::unique_ptr<Decoder> decoder_;
  std::map<uint64_t, Request> running_;
  bool decoder_broken_ = false;
  std::string run_;  // of the decoder's weights
  // The decoder's group id, which we number ourselves -> request, and the caller's group id.
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> owners_;
  uint64_t next_group_ = 1;

  std::thread thread_;
};

}  // namespace cohort::rollout
