#pragma once

// Measures what the processes of a box use, from inside its first process.

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace cohort::reward::judge {

struct BoxUsage {
  uint64_t cpu_us = 0;           // of all living processes and of the ended ones they waited for
  uint64_t resident_bytes = 0;   // of all but the caller; shared pages count for each
  std::vector<pid_t> processes;  // without the caller
};

// Reads /proc for the caller's descendants, which in a box are all that there is. Empty where it is
// not mounted.
BoxUsage MeasureBox();

// The longest time that one of them was ready to run and waited for a core. Zero where the kernel
// does not count it.
uint64_t LongestWaitUs(const BoxUsage& usage);

// Resident bytes with each shared page counted once. Slower: for when the sum above is too large.
uint64_t ProportionalBytes(const BoxUsage& usage);

}  // namespace cohort::reward::judge
