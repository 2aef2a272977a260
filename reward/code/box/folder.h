#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace cohort::reward::judge {

// The content of the current folder, to be put back after programs ran in it, which may have left
// folders of any depth and mode, links and fifos. Owned by the first process of a box.
class FolderImage {
 public:
  // Errors: std::system_error, std::filesystem::filesystem_error.
  static FolderImage OfCurrentFolder();

  // False where something stays or cannot be written.
  bool Restore() const;

 private:
  struct Entry {
    std::string path;
    mode_t mode = 0;  // of a folder or a file
    std::string content;
    std::string target;  // of a link
  };
  static bool Clear();

  std::vector<Entry> entries_;  // folders before what is in them
};

}  // namespace cohort::reward::judge
