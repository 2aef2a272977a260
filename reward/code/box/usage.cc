#include "reward/code/box/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cohort::reward::judge {
namespace {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  uint64_t own_ticks = 0;
  uint64_t waited_ticks = 0;  // of ended children
  uint64_t pages = 0;
  bool counted = false;
};

// A file of /proc/PID as text, cut at the buffer's end. Empty when it cannot be read.
const char* ReadProc(pid_t pid, const char* name, char (&text)[2048]) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
  if (fd >= 0) close(fd);
  text[got > 0 ? got : 0] = '\0';
  return text;
}

// proc(5): field 4 is the parent, 14 to 17 are utime, stime, cutime, cstime in ticks, 24 is rss in
// pages.
Process ReadProcess(pid_t pid) {
  char text[2048];
  Process process;
  const char* next = std::strrchr(ReadProc(pid, "stat", text), ')');  // the name may hold anything
  if (next == nullptr) return process;
  ++next;
  uint64_t fields[25] = {};
  for (int field = 3; field <= 24 && *next == ' '; ++field) {
    fields[field] = std::strtoull(++next, nullptr, 10);
    next += std::strcspn(next, " ");
  }
  process.pid = pid;
  process.parent = static_cast<pid_t>(fields[4]);
  process.own_ticks = fields[14] + fields[15];
  process.waited_ticks = fields[16] + fields[17];
  process.pages = fields[24];
  return process;
}

std::vector<Process> AllProcesses() {
  std::vector<Process> all;
  DIR* const proc = opendir("/proc");
  if (proc == nullptr) return all;
  while (const dirent* entry = readdir(proc)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const Process process = ReadProcess(std::atoi(entry->d_name));
    if (process.pid != 0) all.push_back(process);
  }
  closedir(proc);
  return all;
}

// smaps_rollup's Pss line in bytes; the whole resident size of a process that hides it.
uint64_t ProportionalBytesOf(pid_t pid, uint64_t page) {
  char text[2048];
  const char* const line = std::strstr(ReadProc(pid, "smaps_rollup", text), "\nPss:");
  if (line != nullptr) return std::strtoull(line + 5, nullptr, 10) << 10;
  return ReadProcess(pid).pages * page;
}

uint64_t PageBytes() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

BoxUsage MeasureBox() {
  static const uint64_t us_per_tick = 1'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  BoxUsage usage;
  std::vector<Process> all = AllProcesses();
  std::vector<pid_t> parents = {getpid()};
  const auto add = [&](Process* process) {
    process->counted = true;
    usage.cpu_us += (process->own_ticks + process->waited_ticks) * us_per_tick;
    usage.resident_bytes += process->pages * PageBytes();
    usage.processes.push_back(process->pid);
    parents.push_back(process->pid);
  };
  for (size_t next = 0; next < parents.size(); ++next) {
    for (Process& process : all) {
      if (process.pid == getpid() && next == 0) usage.cpu_us += process.waited_ticks * us_per_tick;
      if (!process.counted && process.parent == parents[next]) add(&process);
    }
  }
  return usage;
}

// schedstat: nanoseconds on a core, nanoseconds waiting for one, time slices.
uint64_t LongestWaitUs(const BoxUsage& usage) {
  uint64_t longest = 0;
  for (const pid_t pid : usage.processes) {
    char text[2048];
    const char* const second = std::strchr(ReadProc(pid, "schedstat", text), ' ');
    if (second == nullptr) continue;
    longest = std::max<uint64_t>(longest, std::strtoull(second, nullptr, 10) / 1000);
  }
  return longest;
}

uint64_t ProportionalBytes(const BoxUsage& usage) {
  uint64_t bytes = 0;
  for (const pid_t pid : usage.processes) bytes += ProportionalBytesOf(pid, PageBytes());
  return bytes;
}

}  // namespace cohort::reward::judge
