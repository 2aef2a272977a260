#pragma once

// A child process that cannot outlive its parent and is always reaped.

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cohort::base {

// Owned by one thread. The child gets SIGKILL when the parent dies (PR_SET_PDEATHSIG) and when this
// object is destroyed.
class ChildProcess {
 public:
  // `arguments[0]` is the program's path. stdout and stderr of the child are appended to `log`
  // (or inherited when empty). Errors: kEnvironment when the program cannot be started.
  explicit ChildProcess(const std::vector<std::string>& arguments,
                        const std::filesystem::path& log = {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();  // reaps when it has ended
  // Waits up to `limit` for the end; exit status, or -signal; nullopt when still running.
  std::optional<int> Wait(std::chrono::milliseconds limit);
  void Signal(int signal);
  // SIGTERM, then SIGKILL after `grace`; reaps.
  void Stop(std::chrono::milliseconds grace);

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

}  // namespace cohort::base
