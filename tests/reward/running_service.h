#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/child_process.h"
#include "base/durable_file.h"

namespace cohort::reward {

inline const std::string kProgram = COHORT_BIN_DIR "/cohort-reward";

// A running cohort-reward with its address.
class RunningService {
 public:
  explicit RunningService(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {kProgram, "--port-file", port_file_.string()});
    std::filesystem::remove(port_file_);
    process_ = std::make_unique<base::ChildProcess>(arguments, log_);
    for (int i = 0; i < 2000 && !std::filesystem::exists(port_file_) && process_->Running(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (std::filesystem::exists(port_file_)) address_ = base::ReadFile(port_file_);
  }
  ~RunningService() {
    process_.reset();
    std::filesystem::remove(port_file_);
    std::filesystem::remove(log_);
  }

  const std::string& address() const { return address_; }
  base::ChildProcess& process() { return *process_; }
  std::string log() const { return base::ReadFile(log_); }

 private:
  const std::string stem_ = testing::TempDir() + "cohort_reward_" + std::to_string(getpid());
  const std::filesystem::path port_file_ = stem_ + ".port";
  const std::filesystem::path log_ = stem_ + ".log";
  std::unique_ptr<base::ChildProcess> process_;
  std::string address_;
};

}  // namespace cohort::reward
