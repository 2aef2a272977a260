#pragma once

#include <cstddef>

#include "reward/code/box/protocol.h"

namespace cohort::reward::judge {

// Which step failed (errno is set), or nullptr when all went well.

// Of the box's first process: a work folder with a quota, no capabilities, and the system call
// filter, which everything it starts inherits.
// In a weak box the work folder is the current one, as it is.
const char* ConfineBox(const BoxSetUp& setup, const void* filter, bool weak);

// Of a child before it becomes the judged program.
const char* ConfineRun(const RunLimits& limits);

}  // namespace cohort::reward::judge
