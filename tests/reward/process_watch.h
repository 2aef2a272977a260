#pragma once

// Counts what a test leaves behind: open files and child processes of this process.

#include <dirent.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace cohort::reward {

inline int OpenFiles() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

struct Processes {
  int children = 0;  // zombies included
  int zombies = 0;
  int in_plugin_hosts = 0;  // any process, orphans too, with `marker` in its command line
};

// `marker`: part of the command line by which a test knows its own plug-in hosts.
inline Processes CountProcesses(const std::string& marker) {
  Processes found;
  const std::string self = std::to_string(getpid());
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream stat_file(entry.path() / "stat");
    std::string stat((std::istreambuf_iterator<char>(stat_file)), {});
    const size_t close = stat.rfind(')');
    if (close == std::string::npos) continue;
    const std::string rest = stat.substr(close + 2);  // "S 123 ..."
    const std::string parent = rest.substr(2, rest.find(' ', 2) - 2);
    if (parent == self) {
      ++found.children;
      if (rest[0] == 'Z') ++found.zombies;
    }
    std::ifstream command_file(entry.path() / "cmdline");
    const std::string command((std::istreambuf_iterator<char>(command_file)), {});
    if (name != self && command.find(marker) != std::string::npos) {
      ++found.in_plugin_hosts;
    }
  }
  return found;
}

}  // namespace cohort::reward
