#pragma once

// Keeps one worker or reward service alive: starts it, asks for its health, restarts it, and brings
// it up to date whenever it answers.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/child_process.h"
#include "rl/fleet/cancellable_calls.h"
#include "rl/fleet/worker_pool.h"

namespace cohort::rl {

struct Heartbeat {
  bool busy = false;      // has work, so `progress` must move
  uint64_t progress = 0;  // counts what it has done
  int64_t policy_version = 0;
};

struct KeeperOptions {
  std::string name;  // "rollout-0", for logs and messages
  std::vector<std::string>
      command;          // of a local process, without --listen and --port-file; else empty
  std::string address;  // of a remote one
  std::filesystem::path log;
  std::filesystem::path socket_folder;        // short: a socket's path has at most 107 bytes
  const WorkerPoolOptions* limits = nullptr;  // outlives the keeper
  // Asks for its health.
  std::function<grpc::Status(const std::shared_ptr<grpc::Channel>&, CancellableCalls&, Heartbeat*)>
      ask;
  // Called whenever it answered and is not known to be up to date: what it has now (a version), or
  // nothing when that failed and must be tried again.
  std::function<std::optional<int64_t>(const std::shared_ptr<grpc::Channel>&,
                                       const std::string& address, CancellableCalls&)>
      prepare;
  std::function<int64_t()> wanted_version;
  std::function<void()> on_change;  // from the keeper's thread, after every look
};

// A thread of its own, which the child process is tied to. Methods are thread-safe.
class ServiceKeeper {
 public:
  explicit ServiceKeeper(KeeperOptions options);
  ~ServiceKeeper();  // ends the child: SIGTERM, then SIGKILL
  ServiceKeeper(const ServiceKeeper&) = delete;

  Endpoint endpoint() const;
  bool answers() const;  // its last heartbeat was answered
  pid_t pid() const;     // -1: remote, or not running
  uint32_t restarts() const;
  void LookNow();      // rather than at the next heartbeat
  void RequestStop();  // the destructor then waits for less

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  bool EnsureStarted();
  std::filesystem::path StartChild();
  bool AwaitAddress(const std::filesystem::path& port_file);
  void Look();
  void OnSilence(const grpc::Status& status);
  bool Stuck(const Heartbeat& heartbeat);
  void Disconnect();
  void GiveUp(const std::string& reason);
  std::string LogTail() const;
  void Pause(std::chrono::milliseconds limit, bool until_look);

  const KeeperOptions options_;
  CancellableCalls calls_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool look_now_ = false;
  bool answers_ = false;
  Endpoint endpoint_;
  int64_t version_ = -1;  // what it was last prepared to
  pid_t pid_ = -1;
  uint32_t restarts_ = 0;

  // Below: the keeper's thread only.
  std::unique_ptr<base::ChildProcess> child_;
  std::string address_;
  std::deque<Clock::time_point> recent_starts_;
  bool ever_answered_ = false;
  Clock::time_point last_answer_;
  Clock::time_point first_look_;  // at a remote service
  bool named_ = false;            // said that it has not answered
  Clock::time_point last_progress_;
  Clock::time_point next_heartbeat_;
  uint64_t progress_ = 0;

  std::thread thread_;
};

}  // namespace cohort::rl
