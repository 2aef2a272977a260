#include "rl/records/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"

namespace cohort::rl {
namespace {

[[noreturn]] void ThrowSystemError(const char* action, const std::filesystem::path& path,
                                   int error) {
  throw Error(
      ErrorCode::kEnvironment,
      "cannot " + std::string(action) + " " + path.string() + ": " + std::strerror(error),
      error == ENOSPC ? "free some space; the same command goes on from the last checkpoint" : "");
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path path, uint64_t length)
    : path_(std::move(path)),
      fd_(open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)),
      length_(length) {
  if (fd_ < 0) ThrowSystemError("open", path_, errno);
  struct stat status {};
  const int failed = fstat(fd_, &status) != 0 ? errno : 0;
  const auto there = static_cast<uint64_t>(status.st_size);
  if (failed == 0 && there >= length && ftruncate(fd_, static_cast<off_t>(length)) == 0) return;
  const int error = failed != 0 ? failed : errno;
  close(fd_);
  fd_ = -1;
  if (failed != 0 || there >= length) ThrowSystemError("cut", path_, error);
  throw Error(ErrorCode::kUsage,
              path_.string() + " has " + std::to_string(there) + " bytes, the checkpoint expects " +
                  std::to_string(length),
              "put the file back, or start anew with --fresh (the old run is kept)");
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) close(fd_);
}

void AppendFile::Append(std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written =
        pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(length_ + done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      // Takes a half-written row back; the next row writes over it if this fails too.
      if (ftruncate(fd_, static_cast<off_t>(length_)) != 0) ThrowSystemError("cut", path_, errno);
      ThrowSystemError("write", path_, error);
    }
    done += static_cast<size_t>(written);
  }
  length_ += bytes.size();
}

void AppendFile::Sync() {
  if (fsync(fd_) != 0) ThrowSystemError("sync", path_, errno);
}

}  // namespace cohort::rl
