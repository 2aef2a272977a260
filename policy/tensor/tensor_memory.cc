#include "policy/tensor/tensor_memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>

namespace cohort::policy {
namespace {

constexpr size_t kAlignment = 64;           // of small tensors, as c10's own allocator
constexpr size_t kLarge = size_t{1} << 20;  // from here on blocks are kept
constexpr size_t kHugePage = size_t{2} << 20;

size_t RoundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes == 0 ? nullptr : bytes < kLarge ? Small(bytes) : Large(bytes);
    return {data, data, &Free, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  void SetBound(size_t max_kept_bytes) {
    const std::lock_guard lock(mutex_);
    max_kept_bytes_ = max_kept_bytes;
  }

 private:
  static void* Small(size_t bytes) {
    void* data = std::aligned_alloc(kAlignment, RoundUp(bytes, kAlignment));
    if (data == nullptr) throw std::bad_alloc();
    return data;
  }

  void* Large(size_t bytes) {
    const size_t size = RoundUp(bytes, kHugePage);
    const std::lock_guard lock(mutex_);
    // The smallest kept block that fits without wasting more than a quarter.
    const auto kept = kept_.lower_bound(size);
    if (kept != kept_.end() && kept->first <= size + size / 4) {
      void* data = kept->second;
      kept_bytes_ -= kept->first;
      kept_.erase(kept);
      return data;
    }
    void* data = std::aligned_alloc(kHugePage, size);
    if (data == nullptr) {
      ReleaseKept(0);
      data = std::aligned_alloc(kHugePage, size);
      if (data == nullptr) throw std::bad_alloc();
    }
    madvise(data, size, MADV_HUGEPAGE);  // advice: refusal costs speed only
    size_of_[data] = size;
    return data;
  }

  static void Free(void* data);

  void FreeLarge(void* data, size_t size) {
    kept_.emplace(size, data);
    kept_bytes_ += size;
    ReleaseKept(max_kept_bytes_);
  }

  // Largest first: few blocks go.
  void ReleaseKept(size_t bound) {
    while (kept_bytes_ > bound) {
      const auto last = std::prev(kept_.end());
      size_of_.erase(last->second);
      std::free(last->second);
      kept_bytes_ -= last->first;
      kept_.erase(last);
    }
  }

  std::mutex mutex_;  // guards all below
  size_t max_kept_bytes_ = 0;
  size_t kept_bytes_ = 0;
  std::multimap<size_t, void*> kept_;
  std::unordered_map<void*, size_t> size_of_;  // of every large block, kept or in use
};

KeepingAllocator& TheAllocator() {
  static KeepingAllocator* const allocator = new KeepingAllocator;  // outlives every tensor
  return *allocator;
}

void KeepingAllocator::Free(void* data) {
  KeepingAllocator& allocator = TheAllocator();
  {
    const std::lock_guard lock(allocator.mutex_);
    const auto found = allocator.size_of_.find(data);
    if (found != allocator.size_of_.end()) return allocator.FreeLarge(data, found->second);
  }
  std::free(data);
}

}  // namespace

void KeepTensorMemory(size_t max_kept_bytes) {
  TheAllocator().SetBound(max_kept_bytes);
  constexpr uint8_t kPriority = 100;  // above c10's own
  c10::SetCPUAllocator(&TheAllocator(), kPriority);
}

size_t HeldTensorBytes(size_t bytes) {
  return RoundUp(bytes, bytes < kLarge ? kAlignment : kHugePage);
}

}  // namespace cohort::policy
