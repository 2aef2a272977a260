// Any bytes as a GGUF file: a model, or an error that blames the file.

#include "base/error.h"
#include "policy/gguf/weights.h"
#include "policy/gguf_model.h"
#include "tests/fuzz/file_of_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cohort::Error;
  const cohort::FileOfBytes bytes(data, size);
  try {
    const cohort::policy::GgufFile file(bytes.path());
    const cohort::policy::Model model = cohort::policy::ReadGguf(file);
    cohort::policy::GgufWeights(file, model.config, cohort::policy::Dtype::kFloat32).TakeAll();
  } catch (const Error& error) {
    if (error.code() != cohort::ErrorCode::kUsage) throw;
  }
  return 0;
}
