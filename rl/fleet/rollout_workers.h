#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/cpu/ops.h"
#include "rl/fleet/published_weights.h"
#include "rl/fleet/publisher.h"
#include "rl/fleet/service_kind.h"
#include "rl/fleet/supervised_pool.h"

namespace cohort::rl {

struct RolloutWorkersOptions : ServicesOptions {
  std::filesystem::path program;  // cohort-rollout
  std::filesystem::path config;   // config.json of the model, whose weights come by Publish alone
  int threads = 0;                // of one local worker's decoder; 0 = cores / local workers
  policy::Dtype dtype = policy::Dtype::kFloat32;  // or bf16: of the matrices that workers keep
  kernels::Numerics numerics = kernels::Numerics::kFloat32;  // of products with bf16 matrices
  bool deterministic = false;  // rollout/decoder/decoder.h; a worker that is not is refused
  int64_t kv_cache_bytes = int64_t{1} << 30;
  std::chrono::milliseconds publish_deadline{600'000};  // of one version, all workers
  std::chrono::milliseconds answer_deadline{120'000};   // how long Publish waits when none answers
  rollout::v1::RunStart run;                            // whose workers they are while it lives
  uint64_t vocabulary_checksum = 0;                     // of the model's tokenizer; 0: not compared
};

// The rollout workers of a run, kept on the published weights: one that restarts gets them before
// it serves again. Publish is called by one thread, the pool by any.
class RolloutWorkers final : public Publisher, private ServiceKind {
 public:
  explicit RolloutWorkers(const RolloutWorkersOptions& options);

  ~RolloutWorkers() override;

  SupervisedPool& pool() { return pool_; }
  // Remote workers may serve another run at once; the destructor then waits for less.
  void RequestStop();

  void Publish(int64_t version, const std::function<policy::WeightMap()>& weights) override;
  int64_t published_version() const override { return wanted_version(); }

 private:
  grpc::Status AskHealth(const Channel& channel, CancellableCalls& calls,
                         std::chrono::milliseconds deadline, Heartbeat* heartbeat) override;
  int64_t wanted_version() const override;
  std::optional<int64_t> Update(const std::string& name, const Channel& channel,
                                const std::string& address, CancellableCalls& calls) override;
  void Replace(const policy::WeightMap& weights, int64_t version);
  void ThrowIfRefused() const;
  bool Settled() const;
  bool AnyAnswers() const;
  std::string NotReady() const;
  std::string Refusals() const;
  void EndLeases();

  const std::chrono::milliseconds publish_deadline_;
  const std::chrono::milliseconds answer_deadline_;
  const int num_local_;
  const rollout::v1::WeightManifest heading_;  // of every version
  const policy::Dtype dtype_;
  const kernels::Numerics numerics_;
  const bool deterministic_;
  mutable std::mutex mutex_;  // guards the next three
  std::shared_ptr<PublishedWeights> current_;
  // The version before, for its image: a worker that answers has taken `current_` since.
  std::shared_ptr<PublishedWeights> previous_;
  std::map<std::string, grpc::Status> refusals_;  // by worker: why it did not take `current_`
  bool leases_ended_ = false;                     // by the thread that owns this
  SupervisedPool pool_;                           // last: its threads use all of the above
};

}  // namespace cohort::rl
