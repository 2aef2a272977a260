#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace cohort::rl {

// A file that only grows, and whose tail a resumed run cuts off. Errors: kEnvironment naming the
// path.
class AppendFile {
 public:
  // Creates it if missing and cuts it to `length` bytes; kUsage when it is shorter than that.
  AppendFile(std::filesystem::path path, uint64_t length);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // All of `bytes` reach the file, or, when the disk is full, none of them.
  void Append(std::string_view bytes);
  void Sync();
  uint64_t length() const { return length_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  uint64_t length_ = 0;
};

}  // namespace cohort::rl
