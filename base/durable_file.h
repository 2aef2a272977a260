#pragma once

// Files that are whole or absent, whatever kills the process or the machine
// (temporary name -> write -> fsync -> rename -> fsync of the folder).

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace cohort::base {

// XXH3-64 of the bytes; the checksum of checkpoints and published weights.
uint64_t Checksum(std::string_view bytes);

// Writes one file through a temporary name beside it. Errors: kEnvironment, naming the path and the
// system's reason (disk full, no permission); the temporary file is removed and an older file of
// that name is left as it was. Single-threaded per instance.
class DurableFile {
 public:
  explicit DurableFile(std::filesystem::path path);
  ~DurableFile();  // an uncommitted file is removed
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  void Write(std::string_view bytes);
  // fsync, rename to the final name, fsync the folder. Returns the checksum of all bytes written.
  uint64_t Commit();

 private:
  struct HashState;
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  HashState* hash_ = nullptr;
};

void WriteFileDurably(const std::filesystem::path& path, std::string_view bytes);

// Renames a finished folder into place and fsyncs its parent.
void RenameDurably(const std::filesystem::path& from, const std::filesystem::path& to);

// Checksum of a file's bytes, read in pieces. Errors: kEnvironment naming the path.
uint64_t FileChecksum(const std::filesystem::path& path);

// Whole file as bytes. Errors: kEnvironment naming the path.
std::string ReadFile(const std::filesystem::path& path);

}  // namespace cohort::base
