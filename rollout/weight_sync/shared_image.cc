#include "rollout/weight_sync/shared_image.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>

#include "base/error.h"

namespace cohort::rollout {
namespace {

constexpr char kFolder[] = "/dev/shm";
constexpr char kPrefix[] = "/dev/shm/cohort-weights-";
constexpr time_t kFreshSeconds = 60;  // a file this young may not be locked by its maker yet

// The process whose number the name holds (NewPath) lives no more.
bool MakerIsGone(const std::string& path) {
  const pid_t maker = static_cast<pid_t>(std::atoi(path.c_str() + std::strlen(kPrefix)));
  return maker > 0 && kill(maker, 0) != 0 && errno == ESRCH;
}

void RemoveAbandonedImages() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder, error)) {
    const std::string path = entry.path().string();
    if (!path.starts_with(kPrefix)) continue;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    struct stat status;
    const bool fresh = fstat(fd, &status) != 0 || time(nullptr) - status.st_mtime <= kFreshSeconds;
    if ((!fresh || MakerIsGone(path)) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
      unlink(path.c_str());
    }
    close(fd);
  }
}

std::string NewPath() {
  static std::atomic<uint64_t> counter = std::random_device{}();
  return std::string(kPrefix) + std::to_string(getpid()) + "-" + std::to_string(counter++);
}

}  // namespace

SharedImage::SharedImage(size_t num_bytes) : num_bytes_(num_bytes) {
  const size_t mapped_bytes = num_bytes == 0 ? 1 : num_bytes;
  RemoveAbandonedImages();
  const bool shared = MakeFile();
  void* data = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE,
                    shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd_, 0);
  if (data == MAP_FAILED) {
    const int error = errno;
    if (shared) unlink(path_.c_str());
    if (fd_ >= 0) close(fd_);
    throw Error(ErrorCode::kEnvironment, "no memory for an image of the weights (" +
                                             std::to_string(num_bytes) +
                                             " bytes): " + std::strerror(error));
  }
  data_ = static_cast<std::byte*>(data);
}

bool SharedImage::MakeFile() {
  path_ = NewPath();
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  // All blocks are allocated here: a full /dev/shm must be an error and not a SIGBUS while writing.
  if (fd_ >= 0 && flock(fd_, LOCK_EX | LOCK_NB) == 0 &&
      posix_fallocate(fd_, 0, static_cast<off_t>(num_bytes_ == 0 ? 1 : num_bytes_)) == 0) {
    return true;
  }
  if (fd_ >= 0) {
    unlink(path_.c_str());
    close(fd_);
  }
  fd_ = -1;
  path_.clear();
  return false;
}

SharedImage::~SharedImage() {
  munmap(data_, num_bytes_ == 0 ? 1 : num_bytes_);
  if (!path_.empty()) unlink(path_.c_str());
  if (fd_ >= 0) close(fd_);
}

MappedImage::MappedImage(const std::string& path, size_t num_bytes) : num_bytes_(num_bytes) {
  const auto refuse = [&](const std::string& reason) {
    throw Error(ErrorCode::kUnavailable, "shared weights at '" + path + "': " + reason);
  };
  if (!path.starts_with(kPrefix) || path.find('/', std::strlen(kFolder) + 1) != std::string::npos) {
    refuse(std::string("expected a file ") + kPrefix + "*");
  }
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) refuse(std::strerror(errno));
  struct stat status;
  std::string reason;
  void* data = MAP_FAILED;
  const size_t mapped_bytes = num_bytes == 0 ? 1 : num_bytes;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    reason = "not a regular file";
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

MappedImage::~MappedImage() {
  munmap(const_cast<std::byte*>(data_), num_bytes_ == 0 ? 1 : num_bytes_);
}

}  // namespace cohort::rollout
