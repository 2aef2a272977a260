#pragma once

#include <filesystem>
#include <string>

namespace cohort::base {

// A folder of this object alone under the system's temporary folder ($TMPDIR, else /tmp), removed
// with all that is in it. Its path is short, since a Unix socket's has at most 107 bytes. Folders
// of processes that were killed are removed by the next process that makes one.
class TemporaryFolder {
 public:
  TemporaryFolder();  // Errors: kEnvironment
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // A file of that content in it; its path. Errors: kEnvironment.
  std::string Write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path path_;
  int lock_fd_ = -1;  // of the folder, as long as its owner lives
};

}  // namespace cohort::base
