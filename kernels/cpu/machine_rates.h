#pragma once

// Measures the best rates that this machine reaches at this moment: the yardstick for a decoder's
// speed, since machines and their neighbours differ from run to run.

#include "kernels/cpu/ops.h"
#include "kernels/cpu/thread_pool.h"

namespace cohort::kernels {

struct MachineRates {
  double read_gb_per_s =
      0;  // memory read bandwidth, 10^9 bytes, from huge pages, all threads of the pool
  double fma_gflop_per_s =
      0;  // fp32 multiply-adds from registers and L1, 2 operations each, all threads
  double bf16_gflop_per_s = 0;  // the same of products of bf16 numbers, in this machine's class
  Numerics bf16_numerics = Numerics::kBf16Dot;  // that class
};

// Takes about a second and 256 MiB of memory. Best of several bursts.
MachineRates MeasureMachineRates(ThreadPool& pool);

}  // namespace cohort::kernels
