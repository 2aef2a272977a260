#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/durable_file.h"

namespace cohort::reward {

// A Python file of a name that no other process has, gone with this object.
class PythonFile {
 public:
  explicit PythonFile(const std::string& code) {
    static int count = 0;
    folder_ =
        testing::TempDir() + "python_" + std::to_string(getpid()) + "_" + std::to_string(count++);
    std::filesystem::create_directories(folder_);
    base::WriteFileDurably(path(), code);
  }
  ~PythonFile() { std::filesystem::remove_all(folder_); }

  std::string name() const { return folder_.filename(); }  // marks its processes' command lines
  std::string path() const { return folder_ / "my_reward.py"; }

 private:
  std::filesystem::path folder_;
};

}  // namespace cohort::reward
