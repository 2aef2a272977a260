#pragma once

#include <cstddef>

#include "reward/code/box/protocol.h"

namespace cohort::reward::judge {

// Both return the name of the step that failed (errno is set), or nullptr when all went well.

// Confines the calling process, the first of its box: a work folder with a quota, no capabilities,
// and the system call filter, which everything it starts inherits. In a weak box the work folder is
// the current one, without a quota.
const char* ConfineBox(const BoxSetUp& setup, const void* filter, bool weak);

// Confines the calling process, a child that is about to become the judged program.
const char* ConfineRun(const RunLimits& limits);

}  // namespace cohort::reward::judge
