#include "policy/tensor/tensor_memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
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

// Of a block, in whole pieces: of a small one the end of a huge page would be a large share of it.
constexpr size_t kManyHugePages = 4 * kHugePage, kPiece = size_t{1} << 18;

size_t BlockBytes(size_t bytes) {
  return RoundUp(bytes, bytes < kManyHugePages ? kPiece : kHugePage);
}

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
    const size_t size = BlockBytes(bytes);
    const std::lock_guard lock(mutex_);
    // The smallest kept block that fits without wasting more than a quarter.
    const auto kept = kept_.lower_bound(size);
    if (kept != kept_.end() && kept->first <= size + size / 4) {
      void* data = kept->second;
      kept_bytes_ -= kept->first;
      used_bytes_ += kept->first;
      kept_.erase(kept);
      return data;
    }
    used_bytes_ += size;
    peak_bytes_ = std::max(peak_bytes_, used_bytes_);
    ReleaseKept(peak_bytes_ - used_bytes_);
    void* data = Map(size);
    if (data == nullptr) {
      ReleaseKept(0);
      data = Map(size);
    }
    if (data == nullptr) {
      used_bytes_ -= size;
      throw std::bad_alloc();
    }
    size_of_[data] = size;
    return data;
  }

  static void Free(void* data);

  void FreeLarge(void* data, size_t size) {
    kept_.emplace(size, data);
    kept_bytes_ += size;
    used_bytes_ -= size;
    ReleaseKept(max_kept_bytes_);
  }

  // Pages of their own, from a huge page's border on, so that what is released leaves the process
  // whatever lies beside it: malloc keeps what is freed in the middle of its heap. Null where there
  // are none.
  static void* Map(size_t size) {
    void* all =
        mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return nullptr;
    const auto first = reinterpret_cast<uintptr_t>(all);
    const size_t before = RoundUp(first, kHugePage) - first;
    auto* data = static_cast<std::byte*>(all) + before;
    if (before > 0) munmap(all, before);
    if (before < kHugePage) munmap(data + size, kHugePage - before);
    madvise(data, size, MADV_HUGEPAGE);  // advice: refusal costs speed only
    return data;
  }

  // Largest first: few blocks go.
  void ReleaseKept(size_t bound) {
    while (kept_bytes_ > bound) {
      const auto last = std::prev(kept_.end());
      size_of_.erase(last->second);
      munmap(last->second, last->first);
      kept_bytes_ -= last->first;
      kept_.erase(last);
    }
  }

  std::mutex mutex_;  // guards all below
  size_t max_kept_bytes_ = 0;
  size_t kept_bytes_ = 0;
  size_t used_bytes_ = 0, peak_bytes_ = 0;  // of large blocks in use, and the most there were
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
  return bytes < kLarge ? RoundUp(bytes, kAlignment) : BlockBytes(bytes);
}

}  // namespace cohort::policy
