#include "reward/judge/box_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cohort::reward::judge {
namespace {

// proc(5): fields 14 to 17 are utime, stime, cutime, cstime in ticks, 24 is rss in pages.
void AddProcess(const char* pid, bool self, BoxUsage* usage) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%s/stat", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char text[1024];
  const ssize_t got = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (got <= 0) return;
  text[got] = '\0';
  const char* next = std::strrchr(text, ')');  // the name may hold anything
  if (next == nullptr) return;
  next += 2;  // field 3
  uint64_t fields[25] = {};
  for (int field = 3; field <= 24 && next != nullptr; ++field) {
    fields[field] = std::strtoull(next, nullptr, 10);
    next = std::strchr(next, ' ');
    if (next != nullptr) ++next;
  }
  static const uint64_t us_per_tick = 1'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  static const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t own = self ? 0 : fields[14] + fields[15];
  usage->cpu_us += (own + fields[16] + fields[17]) * us_per_tick;
  if (self) return;
  usage->resident_bytes += fields[24] * page;
  ++usage->processes;
}

// smaps_rollup's Pss line in bytes; the whole resident size of a process that hides it.
uint64_t ProportionalBytesOf(const char* pid) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%s/smaps_rollup", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  char text[1024];
  const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
  if (fd >= 0) close(fd);
  if (got > 0) {
    text[got] = '\0';
    const char* line = std::strstr(text, "\nPss:");
    if (line != nullptr) return std::strtoull(line + 5, nullptr, 10) << 10;
  }
  BoxUsage whole;
  AddProcess(pid, false, &whole);
  return whole.resident_bytes;
}

template <typename Visit>
void ForEachProcess(const Visit& visit) {
  DIR* const proc = opendir("/proc");
  if (proc == nullptr) return;
  while (const dirent* entry = readdir(proc)) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') visit(entry->d_name);
  }
  closedir(proc);
}

}  // namespace

BoxUsage MeasureBox() {
  BoxUsage usage;
  const pid_t self = getpid();
  ForEachProcess([&](const char* pid) { AddProcess(pid, std::atoi(pid) == self, &usage); });
  return usage;
}

uint64_t ProportionalBytes() {
  uint64_t bytes = 0;
  const pid_t self = getpid();
  ForEachProcess([&](const char* pid) {
    if (std::atoi(pid) != self) bytes += ProportionalBytesOf(pid);
  });
  return bytes;
}

}  // namespace cohort::reward::judge
