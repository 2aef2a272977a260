// Any bytes as a safetensors file: tensors that can be read, or an error that blames the file.

#include <ATen/ops/empty.h>

#include "base/error.h"
#include "policy/weights/safetensors.h"
#include "tests/fuzz/file_of_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cohort::Error;
  const cohort::FileOfBytes bytes(data, size);
  try {
    const cohort::policy::SafetensorsFile file(bytes.path());
    for (const auto& [name, entry] : file.entries()) {
      if (entry.end - entry.begin <= size) file.ReadInto(name, at::empty(entry.shape));
    }
  } catch (const Error& error) {
    if (error.code() != cohort::ErrorCode::kUsage) throw;
  }
  return 0;
}
