#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>

namespace cohort {

// Bytes of the tensors that a thread makes and drops, as LibTorch's own allocator tells a profiler.
class HeldBytesCounter : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    held += bytes;
    peak = std::max(peak, held);
  }
  bool memoryProfilingEnabled() const override { return true; }

  // What `work` holds at its worst moment.
  static double PeakOf(const std::function<void()>& work) {
    // Where an earlier test of this process keeps memory, that tells nobody.
    c10::SetCPUAllocator(c10::GetDefaultCPUAllocator(), 100);
    const auto counter = std::make_shared<HeldBytesCounter>();
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, counter);
    work();
    return static_cast<double>(counter->peak);
  }
  // What it holds in the end.
  static double KeptBy(const std::function<void()>& work) {
    c10::SetCPUAllocator(c10::GetDefaultCPUAllocator(), 100);
    const auto counter = std::make_shared<HeldBytesCounter>();
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, counter);
    work();
    return static_cast<double>(counter->held);
  }

  int64_t held = 0, peak = 0;
};

}  // namespace cohort
