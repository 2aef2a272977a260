#pragma once

// A child process that scores: started under a keeper, talked to with deadlines, killed when it is
// late, always reaped. What the child says is its owner's matter (plugin_process, python_process).

#include <sys/types.h>

#include <string>
#include <vector>

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
  Transfer Receive(void* into, size_t size, const Budget& budget);
  // A line without its newline. One longer than `max_bytes` counts as a closed channel.
  Transfer ReceiveLine(std::string* line, size_t max_bytes, const Budget& budget);

  // The sample's grade after a transfer that was not done; the child is gone afterwards.
  Grade Lost(Transfer transfer, const Budget& budget);
  // The grade after an answer that no child of ours gives; the child is gone afterwards.
  Grade BrokeProtocol();
  void KillAndReap();
  bool alive() const { return keeper_ > 0; }

 private:
  void Start(const std::vector<std::string>& arguments);
  Transfer WaitFor(short events, const Budget& budget);
  Grade Ended();

  pid_t keeper_ = -1;
  int channel_ = -1;
  int lifeline_ = -1;   // the keeper kills the child and all its offspring when this closes
  std::string unread_;  // received behind the last line
};

}  // namespace cohort::reward
