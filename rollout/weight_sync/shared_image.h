#pragma once

// Bytes that one process writes and others on the same host map: a sealed memfd, or plain memory
// where there is none (then only this process sees them). Sealed: nobody can cut it short under a
// reader, which would be a SIGBUS there, and nobody but its maker can write to it. It goes with the
// last process that has it, however that ends.

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace cohort::rollout {

// The writer's side.
class SharedImage {
 public:
  // kEnvironment when there is no memory for it at all.
  explicit SharedImage(size_t num_bytes);
  ~SharedImage();
  SharedImage(const SharedImage&) = delete;
  SharedImage& operator=(const SharedImage&) = delete;

  std::span<std::byte> bytes() const { return {data_, num_bytes_}; }
  // /proc/PID/fd/N, which the same user's processes can open; empty: not shared.
  std::string path() const;

 private:
  bool MakeFile(size_t mapped_bytes);

  int fd_ = -1;
  std::byte* data_ = nullptr;
  size_t num_bytes_ = 0;
};

// The reader's side: a read-only mapping. The path comes from outside: only a sealed memfd of
// exactly `num_bytes` is accepted; kUnavailable otherwise.
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
