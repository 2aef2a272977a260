#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/temporary_folder.h"
#include "rl/fleet/service_pool.h"
#include "rl/fleet/supervisor.h"

namespace cohort::rl {

// Where the services of one kind run, whatever the kind.
struct ServicesOptions {
  int num_local = 0;                   // processes to start
  std::vector<std::string> addresses;  // of services that others started
  std::filesystem::path token_file;    // of those addresses; "": the default place of each
  std::filesystem::path log_folder;    // takes NAME-0.log, ...
  SupervisorLimits limits;
};

struct SupervisedPoolOptions : ServicesOptions {
  std::string name;                  // "rollout": local processes are rollout-0, rollout-1, ...
  std::string remote_name;           // "rollout worker": remote ones are that and their address
  std::vector<std::string> command;  // of a local process, without --listen and --port-file
};

// Threads of one of `processes` local processes: `wanted`, or with 0 its share of the cores, at
// least 1.
int ShareOfCores(int wanted, int processes);

// Services of one kind, each under a supervisor: the local ones first, then the remote ones.
class SupervisedPool final : public ServicePool {
 public:
  // Starts; `kind` outlives it.
  SupervisedPool(SupervisedPoolOptions options, ServiceKind& kind);
  ~SupervisedPool() override;  // stops every process that it started

  // Waits until every local process answers. Errors: kEnvironment with the end of the log of the
  // one that did not.
  void AwaitLocal();
  // The destructor then waits for less.
  void RequestStop();

  int size() const override { return static_cast<int>(supervisors_.size()); }
  Endpoint endpoint(int index) const override { return supervisors_.at(index)->endpoint(); }
  void ReportBroken(int index) override { supervisors_.at(index)->LookNow(); }
  void LeaveOut(int index, const std::string& reason) override {
    supervisors_.at(index)->LeaveOut(reason);
  }
  uint32_t restarts() const override;

  const std::string& name(int index) const { return supervisors_.at(index)->name(); }
  bool answers(int index) const { return supervisors_.at(index)->answers(); }
  void LookNow();  // at all of them
  // Returns when a supervisor has looked at its service, or after `limit`.
  void AwaitChange(std::chrono::milliseconds limit);

 private:
  void Start(SupervisedService service, ServiceKind& kind);

  const SupervisedPoolOptions options_;
  base::TemporaryFolder sockets_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Supervisor>> supervisors_;  // last: their threads use the above
};

}  // namespace cohort::rl
