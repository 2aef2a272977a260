#pragma once

// Text in a zstd file, which `zstdcat` shows. Its checksum covers every byte of the text.

#include <zstd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/durable_file.h"

namespace cohort::rl {

// Whole or absent, as base::DurableFile is. Owned by one thread. Errors: those of DurableFile.
class CompressedFile {
 public:
  explicit CompressedFile(const std::filesystem::path& path);

  void Write(std::string_view text);
  // Durable from then on. Returns the bytes on disk.
  uint64_t Commit();

 private:
  void Compress(std::string_view text, ZSTD_EndDirective directive);

  base::DurableFile file_;
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context_;
  std::string buffer_;
  uint64_t bytes_ = 0;
};

// Calls `line` for each line, counted from 1. Errors: kEnvironment "FILE is damaged: ..." for a
// file that is cut, altered or no zstd file, and for one that cannot be read; an Error thrown by
// `line` gets "FILE:LINE: " put before its message.
void ForEachCompressedLine(const std::filesystem::path& path,
                           const std::function<void(std::string_view line, int number)>& line);

}  // namespace cohort::rl
