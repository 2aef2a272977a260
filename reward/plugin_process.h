#pragma once

// The process that runs one plug-in: killed when it is late, always reaped.

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "reward/grader.h"

namespace cohort::reward {

struct PluginSettings {
  std::filesystem::path path;  // absolute
  std::string config;
  int64_t memory_mib;
};

// One sample at a time, owned by one thread at a time. What the plug-in leaves running dies with
// it.
class PluginProcess {
 public:
  // Returns when the plug-in is loaded. Errors: kUsage when it cannot be loaded (with the loader's
  // reason), kEnvironment when the host program is missing or no process can be started.
  PluginProcess(const PluginSettings& settings, const Budget& budget);
  ~PluginProcess();
  PluginProcess(const PluginProcess&) = delete;
  PluginProcess& operator=(const PluginProcess&) = delete;

  Grade Score(const Sample& sample, const Budget& budget);

  // False once it crashed, hung or broke the protocol; it is then gone and reaped.
  bool alive() const { return pid_ > 0; }

 private:
  enum class Transfer { kDone, kOutOfTime, kCancelled, kClosed };

  void Start(const std::string& host);
  Transfer Send(const std::string& bytes, const Budget& budget);
  Transfer Receive(void* into, size_t size, const Budget& budget);
  Transfer WaitFor(short events, const Budget& budget);
  Grade Lost(Transfer transfer, const Budget& budget);
  Grade Ended();
  void KillAndReap();

  PluginSettings settings_;
  pid_t pid_ = -1;
  int socket_ = -1;
  uint64_t number_ = 0;
};

}  // namespace cohort::reward
