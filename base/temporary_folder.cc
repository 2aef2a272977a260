#include "base/temporary_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "base/error.h"

namespace cohort::base {
namespace {

constexpr char kPrefix[] = "cohort.";
constexpr time_t kFreshSeconds = 2;  // one this young may not be locked by its maker yet

int OpenFolder(const std::filesystem::path& path) {
  return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void RemoveAbandoned(const std::filesystem::path& parent) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(parent, none)) {
    if (!entry.path().filename().string().starts_with(kPrefix)) continue;
    const int fd = OpenFolder(entry.path());
    if (fd < 0) continue;
    struct stat status {};
    const bool ours = fstat(fd, &status) == 0 && status.st_uid == geteuid();
    if (ours && time(nullptr) - status.st_mtime > kFreshSeconds &&
        flock(fd, LOCK_EX | LOCK_NB) == 0) {
      std::error_code ignored;
      std::filesystem::remove_all(entry.path(), ignored);
    }
    close(fd);
  }
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  const auto parent = std::filesystem::temp_directory_path();
  static const bool looked = (RemoveAbandoned(parent), true);  // once a process
  static_cast<void>(looked);
  const auto pattern = parent / (std::string(kPrefix) + "XXXXXX");
  std::string path = pattern.string();
  if (mkdtemp(path.data()) == nullptr) {
    throw Error(ErrorCode::kEnvironment, "cannot make a folder like " + pattern.string());
  }
  path_ = path;
  lock_fd_ = OpenFolder(path_);
  if (lock_fd_ >= 0) flock(lock_fd_, LOCK_EX | LOCK_NB);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::string TemporaryFolder::Write(const std::string& name, const std::string& content) const {
  const std::filesystem::path path = path_ / name;
  std::ofstream file(path, std::ios::binary);
  if (!file.write(content.data(), static_cast<std::streamsize>(content.size())).flush()) {
    throw Error(ErrorCode::kEnvironment, "cannot write " + path.string());
  }
  return path.string();
}

}  // namespace cohort::base
