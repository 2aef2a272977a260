#pragma once

// Memory of whole pages from the kernel, on huge pages where it grants them: weights and KV cache
// are read once a step, and reading them from 4 KiB pages costs up to half of the bandwidth.

#include <cstddef>
#include <cstdint>

namespace cohort::kernels {

// Owns the pages; zero-filled and only backed by memory once touched. Move-only.
class HugeBuffer {
 public:
  HugeBuffer() = default;
  explicit HugeBuffer(size_t bytes);  // std::bad_alloc when the address space or memory is refused
  ~HugeBuffer();
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;

  size_t size() const { return bytes_; }
  float* floats() const { return static_cast<float*>(data_); }
  uint16_t* halves() const { return static_cast<uint16_t*>(data_); }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
  size_t mapped_ = 0;
};

}  // namespace cohort::kernels
