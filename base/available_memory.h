#pragma once

#include <cstdint>

namespace cohort::base {

// Bytes that new programs can use without swapping (MemAvailable); -1 where the system does not
// say.
int64_t AvailableMemory();

}  // namespace cohort::base
