#pragma once

// The rollout workers and reward services of a run: started, watched, restarted, kept on the
// current weights.

#include <grpcpp/channel.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "policy/weights/weights.h"

namespace cohort::rl {

struct WorkerPoolOptions {
  std::filesystem::path rollout_program;  // cohort-rollout
  std::filesystem::path reward_program;   // cohort-reward
  int num_rollout_workers = 1;            // local processes
  int num_reward_services = 1;
  int reward_workers = 0;            // graders at once in one reward service; 0 = cores / services
  bool allow_weak_sandbox = false;   // of the local reward services, for the reward `code`
  std::string model;                 // --model of a local worker; empty: give `config`
  std::filesystem::path config;      // config.json of a model that comes by Publish alone
  std::filesystem::path log_folder;  // rollout-0.log, reward-0.log
  int threads = 0;                   // of one worker's decoder; 0 = cores / workers
  std::string dtype = "float32";     // or bfloat16
  int64_t kv_cache_bytes = int64_t{1} << 30;
  std::vector<std::string> rollout_addresses;  // further workers, started by others
  std::vector<std::string> reward_addresses;

  std::chrono::milliseconds start_deadline{120'000};    // until every local process answers
  std::chrono::milliseconds publish_deadline{600'000};  // of one version, all workers
  std::chrono::milliseconds heartbeat{2'000};
  std::chrono::milliseconds silence_limit{20'000};    // unanswered heartbeats mean hung
  std::chrono::milliseconds progress_limit{300'000};  // busy without a new token means hung
  int max_restarts_per_minute = 6;                    // of one process; more is an error
};

// Where one worker or service can be reached now.
struct Endpoint {
  std::shared_ptr<grpc::Channel> channel;
  uint64_t incarnation = 0;  // changes with every restart
  bool ready = false;        // answers, and has the published weights
  std::string failure;       // not empty: given up, and why
};

// Start, Publish and Stop are called by one thread; the endpoints may be read by any.
class WorkerPool {
 public:
  explicit WorkerPool(WorkerPoolOptions options);
  ~WorkerPool();  // stops everything it started
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Starts the local processes and waits until all answer. Errors: kEnvironment with the end of the
  // log of the one that did not.
  void Start();
  // Hands `weights` to every worker that is alive; one that restarts gets them before it serves
  // again. `version` >= 1. Errors: kUnavailable when no worker took them within the deadline.
  void Publish(const policy::WeightMap& weights, int64_t version);
  void Stop();

  int num_rollout_workers() const;  // local and remote
  int num_reward_services() const;
  Endpoint rollout_worker(int index) const;
  Endpoint reward_service(int index) const;
  int64_t published_version() const;   // 0 before the first Publish
  uint32_t restarts() const;           // since Start
  pid_t rollout_pid(int index) const;  // -1: remote, or not running
  pid_t reward_pid(int index) const;

  // The caller's call to that incarnation broke: look at it now rather than at the next heartbeat.
  void ReportBroken(const Endpoint& endpoint);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cohort::rl
