#include "kernels/cpu/huge_buffer.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace cohort::kernels {

namespace {
constexpr size_t kPage = size_t{4} << 10;
}  // namespace

HugeBuffer::HugeBuffer(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  // Not rounded up to huge pages, which would waste half a page each: the kernel joins buffers that
  // are allocated one after the other, and a huge page may then hold the end of one and the begin
  // of the next.
  mapped_ = (bytes + kPage - 1) / kPage * kPage;
  data_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    throw std::bad_alloc();
  }
  madvise(data_, mapped_, MADV_HUGEPAGE);  // advice: refusal costs speed only
}

HugeBuffer::~HugeBuffer() {
  if (data_ != nullptr) munmap(data_, mapped_);
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

}  // namespace cohort::kernels
