#pragma once

#include <cstddef>

namespace cohort::policy {

// Makes LibTorch's CPU tensors of 1 MiB and more come from memory that is kept when they are
// freed, on huge pages where the kernel grants them: a training step frees and asks for the same
// sizes again and again, and a fresh page costs a fault and its zeroing. At most `max_kept_bytes`
// of free memory are kept, and none that would make the process larger than its tensors were at
// their most: before a block is made, others go. Once per process, before threads use tensors;
// later calls only change the bound. Thread-safe.
void KeepTensorMemory(size_t max_kept_bytes);

// Memory that a tensor of `bytes` then takes: whole huge pages where it is of several, else whole
// quarters of a MiB.
size_t HeldTensorBytes(size_t bytes);

}  // namespace cohort::policy
