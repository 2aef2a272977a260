#include "rollout/weight_sync/shared_image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace cohort::rollout {
namespace {

constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;

size_t MappedBytes(size_t num_bytes) { return num_bytes == 0 ? 1 : num_bytes; }

bool IsDescriptor(const std::string& path) {
  unsigned process = 0, descriptor = 0;
  int read = 0;
  return std::sscanf(path.c_str(), "/proc/%9u/fd/%9u%n", &process, &descriptor, &read) == 2 &&
         static_cast<size_t>(read) == path.size();
}

// Looks at the file as it is, without opening it for reading: a path from outside may name a FIFO
// or a device. Closed by the caller; -1 and errno.
int OpenSealed(const std::string& path, std::string* reason) {
  const int place = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (place < 0) {
    *reason = std::strerror(errno);
    return -1;
  }
  struct stat status;
  const bool regular = fstat(place, &status) == 0 && S_ISREG(status.st_mode);
  const std::string again = "/proc/self/fd/" + std::to_string(place);
  const int fd = regular ? open(again.c_str(), O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) *reason = regular ? std::strerror(errno) : "not a regular file";
  close(place);
  if (fd < 0) return -1;
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals >= 0 && (seals & kSizeSeals) == kSizeSeals) return fd;
  *reason = "not a sealed memfd, so that it could be cut short while it is read";
  close(fd);
  return -1;
}

}  // namespace

SharedImage::SharedImage(size_t num_bytes) : num_bytes_(num_bytes) {
  const size_t mapped_bytes = MappedBytes(num_bytes);
  const bool shared = MakeFile(mapped_bytes);
  void* data = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE,
                    shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd_, 0);
  if (data == MAP_FAILED) {
    const int error = errno;
    if (fd_ >= 0) close(fd_);
    throw Error(ErrorCode::kEnvironment, "no memory for an image of the weights (" +
                                             std::to_string(num_bytes) +
                                             " bytes): " + std::strerror(error));
  }
  data_ = static_cast<std::byte*>(data);
  // This mapping stays writable. Kernels before 5.1 lack this one, which guards against no crash.
  if (shared) fcntl(fd_, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
}

bool SharedImage::MakeFile(size_t mapped_bytes) {
  fd_ = memfd_create("cohort-weights", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  // All blocks are allocated here: a lack of memory must be an error and not a SIGBUS in writing.
  if (fd_ >= 0 && posix_fallocate(fd_, 0, static_cast<off_t>(mapped_bytes)) == 0 &&
      fcntl(fd_, F_ADD_SEALS, kSizeSeals) == 0) {
    return true;
  }
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  return false;
}

std::string SharedImage::path() const {
  if (fd_ < 0) return "";
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_);
}

SharedImage::~SharedImage() {
  munmap(data_, MappedBytes(num_bytes_));
  if (fd_ >= 0) close(fd_);
}

MappedImage::MappedImage(const std::string& path, size_t num_bytes) : num_bytes_(num_bytes) {
  const auto refuse = [&](const std::string& reason) {
    throw Error(ErrorCode::kUnavailable, "shared weights at '" + path + "': " + reason);
  };
  if (!IsDescriptor(path)) refuse("expected /proc/PID/fd/N of a memfd");
  std::string reason;
  const int fd = OpenSealed(path, &reason);
  if (fd < 0) refuse(reason);
  struct stat status;
  void* data = MAP_FAILED;
  const size_t mapped_bytes = MappedBytes(num_bytes);
  if (fstat(fd, &status) != 0) {
    reason = std::strerror(errno);
  } else if (static_cast<size_t>(status.st_size) != mapped_bytes) {
    reason = "holds " + std::to_string(status.st_size) + " bytes; the manifest says " +
             std::to_string(num_bytes);
  } else {
    data = mmap(nullptr, mapped_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) reason = std::strerror(errno);
  }
  close(fd);
  if (!reason.empty()) refuse(reason);
  data_ = static_cast<const std::byte*>(data);
}

MappedImage::~MappedImage() { munmap(const_cast<std::byte*>(data_), MappedBytes(num_bytes_)); }

}  // namespace cohort::rollout
