#include "reward/code/box/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace cohort::reward::judge {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  DIR* const open = opendir(folder.c_str());
  if (open == nullptr) return names;
  while (const dirent* const entry = readdir(open)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(open);
  return names;
}

bool WriteFile(const std::string& path, const std::string& content, mode_t mode) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  size_t at = 0;
  while (at < content.size()) {
    const ssize_t wrote = write(fd, content.data() + at, content.size() - at);
    if (wrote <= 0) break;
    at += static_cast<size_t>(wrote);
  }
  const bool whole = at == content.size() && fchmod(fd, mode & 07777) == 0;
  return close(fd) == 0 && whole;
}

}  // namespace

FolderImage FolderImage::OfCurrentFolder() {
  FolderImage image;
  for (const fs::directory_entry& found : fs::recursive_directory_iterator(".")) {
    Entry entry;
    entry.path = found.path();
    struct stat status = {};
    lstat(entry.path.c_str(), &status);
    entry.mode = status.st_mode;
    if (found.is_symlink()) {
      entry.target = fs::read_symlink(found.path());
    } else if (found.is_regular_file()) {
      std::ifstream in(entry.path, std::ios::binary);
      entry.content.assign(std::istreambuf_iterator<char>(in), {});
    } else if (!found.is_directory()) {
      continue;
    }
    image.entries_.push_back(std::move(entry));
  }
  return image;
}

// Folders are emptied from above, their folders moved up first: neither the depth of the tree nor
// the length of its paths matters, and each entry is touched twice at most.
bool FolderImage::Clear() {
  size_t moved = 0;
  std::vector<std::string> names = NamesIn(".");
  while (!names.empty()) {
    const std::string name = names.back();
    names.pop_back();
    if (unlink(name.c_str()) == 0) continue;
    chmod(name.c_str(), 0700);
    for (const std::string& inner : NamesIn(name)) {
      const std::string path = name + "/" + inner;
      if (unlink(path.c_str()) == 0) continue;
      chmod(path.c_str(), 0700);  // a folder moves only if its parent may be written in it
      std::string up;
      do {
        up = ".moved-" + std::to_string(++moved);
      } while (access(up.c_str(), F_OK) == 0);
      if (rename(path.c_str(), up.c_str()) != 0) return false;
      names.push_back(up);
    }
    if (rmdir(name.c_str()) != 0) return false;
  }
  return NamesIn(".").empty();
}

bool FolderImage::Restore() const {
  chmod(".", 0755);
  if (!Clear()) return false;
  for (const Entry& entry : entries_) {
    const char* const path = entry.path.c_str();
    const bool made = S_ISDIR(entry.mode)   ? mkdir(path, 0700) == 0
                      : S_ISLNK(entry.mode) ? symlink(entry.target.c_str(), path) == 0
                                            : WriteFile(path, entry.content, entry.mode);
    if (!made) return false;
  }
  return true;
}

}  // namespace cohort::reward::judge
