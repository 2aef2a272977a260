#include "base/available_memory.h"

#include <fstream>
#include <string>

namespace cohort::base {

int64_t AvailableMemory() {
  std::ifstream meminfo("/proc/meminfo");
  for (std::string key; meminfo >> key;) {
    int64_t kib = 0;
    if (key == "MemAvailable:" && meminfo >> kib) return kib << 10;
  }
  return -1;
}

}  // namespace cohort::base
