#include "base/durable_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/random_hex.h"
#include "base/running_checksum.h"

namespace cohort::base {
namespace {

[[noreturn]] void ThrowSystemError(const std::string& action, const std::filesystem::path& path,
                                   int error) {
  const char* hint = error == ENOSPC || error == EDQUOT
                         ? "free some space; nothing that was saved before is lost"
                         : "";
  throw Error(ErrorCode::kEnvironment,
              "cannot " + action + " " + path.string() + ": " + std::strerror(error), hint);
}

void SyncFolder(const std::filesystem::path& folder) {
  const std::filesystem::path target = folder.empty() ? "." : folder;
  const int fd = open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) ThrowSystemError("open folder", target, errno);
  const int failed = fsync(fd) != 0 ? errno : 0;
  close(fd);
  if (failed != 0) ThrowSystemError("sync folder", target, failed);
}

}  // namespace

struct DurableFile::HashState : RunningChecksum {};

uint64_t Checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

// The name of a killed writer's leftover, which goes; in a folder where others write too (/tmp) it
// may be a planted link, which is not followed, or somebody's that stays: then a name of chance.
DurableFile::DurableFile(std::filesystem::path path)
    : path_(std::move(path)), temporary_(path_.string() + ".tmp") {
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  unlink(temporary_.c_str());
  fd_ = open(temporary_.c_str(), kNew, 0644);
  if (fd_ < 0 && errno == EEXIST) {
    temporary_ = path_.string() + "." + RandomHex(8) + ".tmp";
    fd_ = open(temporary_.c_str(), kNew, 0644);
  }
  if (fd_ < 0) ThrowSystemError("create", temporary_, errno);
  hash_ = new HashState();
}

DurableFile::~DurableFile() {
  delete hash_;
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
}

void DurableFile::Write(std::string_view bytes) {
  hash_->Add(bytes);
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) ThrowSystemError("write", temporary_, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

uint64_t DurableFile::Commit() {
  if (fsync(fd_) != 0) ThrowSystemError("sync", temporary_, errno);
  const int fd = fd_;
  fd_ = -1;
  if (close(fd) != 0) ThrowSystemError("close", temporary_, errno);
  RenameDurably(temporary_, path_);
  return hash_->value();
}

void WriteFileDurably(const std::filesystem::path& path, std::string_view bytes) {
  DurableFile file(path);
  file.Write(bytes);
  file.Commit();
}

void RenameDurably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (rename(from.c_str(), to.c_str()) != 0) ThrowSystemError("rename into", to, errno);
  SyncFolder(to.parent_path());
}

uint64_t FileChecksum(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  RunningChecksum checksum;
  std::vector<char> piece(size_t{1} << 20);
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    checksum.Add({piece.data(), static_cast<size_t>(file.gcount())});
  }
  if (!file.eof()) throw Error(ErrorCode::kEnvironment, "cannot read " + path.string());
  return checksum.value();
}

std::string ReadFile(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) ThrowSystemError("read", path, EISDIR);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) ThrowSystemError("read", path, errno != 0 ? errno : EIO);
  // Whole at once, without the growing of a stream that would hold a large file twice. What has no
  // size (a pipe, /proc) is read to its end behind that.
  const std::uintmax_t size =
      std::filesystem::is_regular_file(path, error) ? std::filesystem::file_size(path, error) : 0;
  std::string bytes(error ? 0 : size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(in.gcount()));
  if (in) {
    std::ostringstream rest;
    rest << in.rdbuf();
    bytes += std::move(rest).str();
  }
  if (in.bad()) ThrowSystemError("read", path, errno != 0 ? errno : EIO);
  return bytes;
}

}  // namespace cohort::base
