#pragma once

// A child process that scores: started under a supervisor, talked to with deadlines, killed when it
// is late, always reaped. Its owner (process, python_process) knows what the two say to each other.

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "reward/grader.h"

namespace cohort::reward {

// Owned by one thread at a time. Every process that the child left running dies with it, and the
// temporary folder that it finds in TMPDIR goes too.
class PluginChild {
 public:
  enum class Transfer { kDone, kOutOfTime, kCancelled, kClosed };

  // `arguments` are those of cohort-plugin-host. Errors: kEnvironment when that program is missing
  // or no process can be started.
  explicit PluginChild(const std::vector<std::string>& arguments);
  ~PluginChild();
  PluginChild(const PluginChild&) = delete;
  PluginChild& operator=(const PluginChild&) = delete;

  Transfer Send(const std::string& bytes, const Budget& budget);
  Transfer Receive(size_t size, const Budget& budget, void* into);
  // A line without its newline. One longer than `max_bytes` counts as a closed channel.
  Transfer ReceiveLine(size_t max_bytes, const Budget& budget, std::string* line);

  // The sample's grade after a transfer that was not done; the child is gone afterwards.
  Grade Lost(Transfer transfer, const Budget& budget);
  // The grade after an answer that no child of ours gives; the child is gone afterwards.
  Grade BrokeProtocol();
  void KillAndReap();
  bool alive() const { return supervisor_ > 0; }
  int killed_by() const { return killed_by_; }  // as PluginWorker has it
  // The error of an owner whose child was lost before it was ready: kUnavailable where it was
  // killed from outside, since another one may do better; else kUsage.
  ErrorCode LoadFault() const;

 private:
  void Start(const std::vector<std::string>& arguments);
  Transfer WaitFor(short events, const Budget& budget);
  Grade Ended();

  pid_t supervisor_ = -1;
  int channel_ = -1;
  int lifeline_ = -1;   // the supervisor kills the child and all its offspring when this closes
  std::string unread_;  // received behind the last line
  int killed_by_ = 0;
};

}  // namespace cohort::reward
