#pragma once

#include <string>

#include "base/temporary_folder.h"

namespace cohort::reward {

// A Python file of a name that no other process has, gone with this object.
class PythonFile {
 public:
  explicit PythonFile(const std::string& code) : path_(folder_.Write("my_reward.py", code)) {}

  // Marks the command lines of its processes.
  std::string name() const { return folder_.path().filename(); }
  const std::string& path() const { return path_; }

 private:
  const base::TemporaryFolder folder_;
  const std::string path_;
};

}  // namespace cohort::reward
