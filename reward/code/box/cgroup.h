#pragma once

// Control groups for boxes: memory and processes of all that runs in one, counted by the kernel.
// Version 2 where this process's subtree is delegated to it, version 1 where it may make groups
// (root), else none.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace cohort::reward::judge {

// Where groups can be made.
struct CgroupTree {
  int version = 0;               // 0: nowhere
  std::filesystem::path memory;  // parent of our groups; the same folder in version 2
  std::filesystem::path pids;
  std::string missing;  // why version is 0
};

// Looks at what this process may do, and makes and removes one group to be sure. Removes groups of
// judges that were killed. `proc` and `root` are /proc/self and / but for tests.
CgroupTree FindCgroupTree(const std::filesystem::path& proc = "/proc/self",
                          const std::filesystem::path& root = "/");

// One box's groups, removed with this object; used by one box at a time.
class Cgroup {
 public:
  // Errors: kEnvironment when they cannot be made.
  Cgroup(const CgroupTree& tree, const std::string& name);
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  // The files through which a process joins.
  std::vector<std::string> procs() const;
  // False where the kernel refused (usage is above the new limit).
  bool SetMemory(int64_t bytes);
  bool SetProcesses(int64_t count);
  uint64_t OutOfMemoryKills() const;  // since the group was made

 private:
  const CgroupTree tree_;
  std::filesystem::path memory_;
  std::filesystem::path pids_;
};

}  // namespace cohort::reward::judge
