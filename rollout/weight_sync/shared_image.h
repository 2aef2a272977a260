#pragma once

// Bytes that one process writes and others on the same host map: a file in /dev/shm, or plain
// memory where that has no room (then only this process sees them).

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace cohort::rollout {

// The writer's side. The file goes with the object; one that a killed process left behind is
// removed when the next is made.
class SharedImage {
 public:
  // kEnvironment when there is no memory for it at all.
  explicit SharedImage(size_t num_bytes);
  ~SharedImage();
  SharedImage(const SharedImage&) = delete;
  SharedImage& operator=(const SharedImage&) = delete;

  std::span<std::byte> bytes() const { return {data_, num_bytes_}; }
  const std::string& path() const { return path_; }  // empty: not shared

 private:
  bool MakeFile();

  std::string path_;
  int fd_ = -1;  // holds the lock that says the owner lives
  std::byte* data_ = nullptr;
  size_t num_bytes_ = 0;
};

// The reader's side: a read-only mapping. The path comes from outside: only a regular file
// /dev/shm/cohort-weights-* of exactly `num_bytes` is accepted; kUnavailable otherwise.
class MappedImage {
 public:
  MappedImage(const std::string& path, size_t num_bytes);
  ~MappedImage();
  MappedImage(const MappedImage&) = delete;
  MappedImage& operator=(const MappedImage&) = delete;

  std::span<const std::byte> bytes() const { return {data_, num_bytes_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t num_bytes_ = 0;
};

}  // namespace cohort::rollout
