#pragma once

// The safetensors file format: 8 bytes of header length, a JSON header, then the tensors' bytes.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "policy/tensor/dtype.h"

namespace cohort::policy {

struct SafetensorsEntry {
  Dtype dtype = Dtype::kFloat32;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // bytes from the end of the header
  uint64_t end = 0;
};

// A mapped file whose header has been checked whole: known dtypes, shapes that match their bytes,
// tensors that cover the data without gap or overlap, no name twice. Not copyable; const methods
// may be called from several threads.
class SafetensorsFile {
 public:
  // Errors: kEnvironment (no such file), kUsage naming the file, the tensor or offset, and what was
  // expected there.
  explicit SafetensorsFile(std::filesystem::path path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::map<std::string, SafetensorsEntry>& entries() const { return entries_; }
  const std::filesystem::path& path() const { return path_; }

  // Tensors whose names begin with `prefix` are called by `replacement` and the rest. kUsage where
  // the file has one of that name already.
  void RenamePrefix(const std::string& prefix, const std::string& replacement);

  // The tensor where it lies in the mapped file: read-only, and only while this object lives. F32,
  // F16, BF16, F8_E4M3 or F8_E8M0; kUsage for another dtype.
  at::Tensor View(const std::string& name) const;
  // The same of a U8 tensor; kUsage for another dtype.
  at::Tensor ViewBytes(const std::string& name) const;
  // Lets go of the pages of a view, which would count as this process's memory.
  void Forget(const at::Tensor& view) const;

  // Copies tensor `name` into `out`, converting it to its dtype. kUsage when the file's tensor has
  // another shape, or a dtype that View does not know.
  void ReadInto(const std::string& name, at::Tensor out) const;

 private:
  void Map();
  void ParseHeader();
  at::Tensor ViewOf(const std::string& name, std::initializer_list<Dtype> readable) const;

  std::filesystem::path path_;
  const char* bytes_ = nullptr;
  uint64_t size_ = 0;
  uint64_t data_start_ = 0;
  std::map<std::string, SafetensorsEntry> entries_;
};

struct NamedTensor {
  std::string name;
  at::Tensor tensor;  // may be a view, need not be contiguous
  Dtype dtype;        // F32, F16, BF16 or F8_E4M3: converted when it is written
  // In the file, where it is another than the tensor's; the elements keep their order.
  std::vector<int64_t> shape = {};
};

// Writes one file durably, tensors in the order given, one of them in memory at a time.
void WriteSafetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors);

// Bytes of a tensor in the file.
int64_t StoredBytes(const NamedTensor& tensor);

}  // namespace cohort::policy
