// Any bytes as a GGUF file: a model, or an error that blames the file.

#include "base/error.h"
#include "policy/gguf.h"
#include "tests/fuzz/file_of_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cohort::Error;
  const cohort::FileOfBytes bytes(data, size);
  try {
    cohort::policy::ReadGguf(bytes.path(), at::kFloat, /*with_weights=*/true);
  } catch (const Error& error) {
    if (error.code() != cohort::ErrorCode::kUsage) throw;
  }
  return 0;
}
