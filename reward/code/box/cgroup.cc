#include "reward/code/box/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "base/error.h"

namespace cohort::reward::judge {
namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "cohort-judge-";

bool Write(const fs::path& file, const std::string& text) {
  const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

std::string ReadAll(const fs::path& file) {
  std::ifstream in(file);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

// cgroups(7): "ID:CONTROLLERS:PATH" a line. Controllers are empty for version 2.
std::map<std::string, std::string> OwnPaths(const fs::path& proc) {
  std::map<std::string, std::string> paths;
  std::ifstream in(proc / "cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::istringstream names(line.substr(first + 1, second - first - 1));
    const std::string path = line.substr(second + 1);
    if (second == first + 1) paths[""] = path;
    for (std::string name; std::getline(names, name, ',');) paths[name] = path;
  }
  return paths;
}

// Mount points by controller ("" is version 2), from mountinfo.
std::map<std::string, std::string> MountPoints(const fs::path& proc) {
  std::map<std::string, std::string> mounts;
  std::ifstream in(proc / "mountinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream left(line), right(line.substr(dash + 3));
    std::string skip, point, type, source, options;
    left >> skip >> skip >> skip >> skip >> point;
    right >> type >> source >> options;
    if (type == "cgroup2") mounts.emplace("", point);
    if (type != "cgroup") continue;
    std::istringstream names(options);
    for (std::string name; std::getline(names, name, ',');) mounts.emplace(name, point);
  }
  return mounts;
}

fs::path OwnFolder(const fs::path& root, const std::string& mount, const std::string& path) {
  const fs::path top = root / fs::path(mount).relative_path();
  const fs::path whole = path.size() <= 1 ? top : top / fs::path(path).relative_path();
  std::error_code ignored;
  // A container may show only the hierarchy's top under the mount point.
  return fs::is_directory(whole, ignored) ? whole : top;
}

void RemoveGroupsOfTheDead(const fs::path& parent) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kPrefix)) continue;
    const pid_t pid = std::atoi(name.c_str() + std::strlen(kPrefix));
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) rmdir(entry.path().c_str());
  }
}

bool CanMakeGroups(const fs::path& parent) {
  const fs::path probe =
      parent / (kPrefix + std::to_string(getpid()) + "-probe" + std::to_string(gettid()));
  if (mkdir(probe.c_str(), 0755) != 0) return false;
  rmdir(probe.c_str());
  return true;
}

// Version 2 hands controllers to children only while the group itself holds no process: this one
// moves into a leaf first.
bool HandDownControllers(const fs::path& own) {
  const std::string controllers = " " + ReadAll(own / "cgroup.controllers") + " ";
  for (const char* const name : {"memory", "pids"}) {
    if (controllers.find(name) == std::string::npos) return false;
  }
  if (Write(own / "cgroup.subtree_control", "+memory +pids")) return true;
  if (errno != EBUSY) return false;
  const fs::path leaf = own / (std::string(kPrefix) + std::to_string(getpid()) + "-service");
  if (mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) return false;
  return Write(leaf / "cgroup.procs", "0") &&
         Write(own / "cgroup.subtree_control", "+memory +pids");
}

}  // namespace

CgroupTree FindCgroupTree(const fs::path& proc, const fs::path& root) {
  const auto mounts = MountPoints(proc);
  auto paths = OwnPaths(proc);
  CgroupTree tree;
  if (mounts.contains("memory") && mounts.contains("pids")) {
    tree = {1, OwnFolder(root, mounts.at("memory"), paths["memory"]),
            OwnFolder(root, mounts.at("pids"), paths["pids"]), ""};
  } else if (mounts.contains("")) {
    const fs::path own = OwnFolder(root, mounts.at(""), paths[""]);
    tree = {2, own, own, ""};
    if (!CanMakeGroups(own))
      return {0, "", "", "control groups: none may be made under " + own.string()};
    if (!HandDownControllers(own)) {
      return {0, "", "", "control groups: memory and pids are not delegated to " + own.string()};
    }
  } else {
    return {0, "", "", "control groups: no hierarchy with memory and pids is mounted"};
  }
  for (const fs::path& parent : {tree.memory, tree.pids}) {
    RemoveGroupsOfTheDead(parent);
    if (!CanMakeGroups(parent)) {
      return {0, "", "", "control groups: none may be made under " + parent.string()};
    }
  }
  return tree;
}

Cgroup::Cgroup(const CgroupTree& tree, const std::string& name)
    : tree_(tree), memory_(tree.memory), pids_(tree.pids) {
  const std::string whole = kPrefix + std::to_string(getpid()) + "-" + name;
  memory_ /= whole;
  pids_ /= whole;
  for (const fs::path& group : {memory_, pids_}) {
    if (mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) {
      throw Error(ErrorCode::kEnvironment,
                  "cannot make the control group " + group.string() + ": " + strerror(errno));
    }
  }
}

// A process that was killed leaves its group a moment after it was reaped.
Cgroup::~Cgroup() {
  for (const fs::path& group : {memory_, pids_}) {
    for (int i = 0; i < 100 && rmdir(group.c_str()) != 0 && errno == EBUSY; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
}

std::vector<std::string> Cgroup::procs() const {
  if (tree_.version == 2) return {(memory_ / "cgroup.procs").string()};
  return {(memory_ / "cgroup.procs").string(), (pids_ / "cgroup.procs").string()};
}

bool Cgroup::SetMemory(int64_t bytes) {
  const std::string text = std::to_string(bytes);
  if (tree_.version == 2) {
    Write(memory_ / "memory.swap.max", "0");  // absent without swap accounting
    return Write(memory_ / "memory.max", text);
  }
  // Memory with swap may never be below memory alone: one order raises, the other lowers.
  const fs::path memory = memory_ / "memory.limit_in_bytes";
  const fs::path both = memory_ / "memory.memsw.limit_in_bytes";
  Write(both, text);
  const bool written = Write(memory, text);
  Write(both, text);
  return written;
}

bool Cgroup::SetProcesses(int64_t count) {
  return Write(pids_ / "pids.max", std::to_string(count));
}

uint64_t Cgroup::OutOfMemoryKills() const {
  std::ifstream in(memory_ / (tree_.version == 2 ? "memory.events" : "memory.oom_control"));
  std::string name;
  for (uint64_t value; in >> name >> value;) {
    if (name == "oom_kill") return value;
  }
  return 0;
}

}  // namespace cohort::reward::judge
