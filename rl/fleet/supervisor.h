#pragma once

// Keeps one service alive: starts it, asks for its health, restarts it, and brings it up to date
// whenever it answers.

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
#include "rl/fleet/service_kind.h"
#include "rl/fleet/service_pool.h"

namespace cohort::rl {

struct SupervisorLimits {
  std::chrono::milliseconds start_deadline{120'000};  // until a started process listens
  std::chrono::milliseconds heartbeat{2'000};
  std::chrono::milliseconds silence_limit{20'000};    // unanswered heartbeats mean hung
  std::chrono::milliseconds progress_limit{300'000};  // busy without progress means hung
  int max_restarts_per_minute = 6;                    // more is given up
};

struct SupervisedService {
  std::string name;                  // "rollout-0", for logs and messages
  std::vector<std::string> command;  // of a local process, without --listen and --port-file
  std::string address;               // or: where a remote one listens
  std::filesystem::path token_file;  // of a remote one
  std::filesystem::path log;         // of a local process
};

// A thread of its own, which the child process is tied to. Methods are thread-safe.
class Supervisor {
 public:
  // `kind` and `limits` outlive it. `socket_folder` has a short path: a socket's has at most 107
  // bytes. `on_change` is called from the supervisor's thread after every look.
  Supervisor(SupervisedService service, ServiceKind& kind, const SupervisorLimits& limits,
             std::filesystem::path socket_folder, std::function<void()> on_change);
  ~Supervisor();  // ends the child: SIGTERM, then SIGKILL
  Supervisor(const Supervisor&) = delete;

  const std::string& name() const { return service_.name; }
  Endpoint endpoint() const;
  bool answers() const;  // its last heartbeat was answered
  uint32_t restarts() const;
  // Ends the service for good, for `reason`.
  void LeaveOut(const std::string& reason);
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

  const SupervisedService service_;
  ServiceKind& kind_;
  const SupervisorLimits& limits_;
  const std::filesystem::path socket_folder_;
  const std::function<void()> on_change_;
  CancellableCalls calls_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool look_now_ = false;
  bool answers_ = false;
  Endpoint endpoint_;
  int64_t version_ = -1;  // what it was last prepared to
  uint32_t restarts_ = 0;

  // Below: the supervisor's thread only.
  std::unique_ptr<base::ChildProcess> child_;
  std::string address_;
  std::deque<Clock::time_point> recent_starts_;
  bool ever_answered_ = false;
  Clock::time_point last_answer_;
  Clock::time_point silent_since_;
  bool named_ = false;  // said that it does not answer
  Clock::time_point last_progress_;
  Clock::time_point next_heartbeat_;
  uint64_t progress_ = 0;

  std::thread thread_;
};

}  // namespace cohort::rl
