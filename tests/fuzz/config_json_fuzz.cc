// Any bytes as config.json: a config that is written and read back equal, or an error that blames
// the file.

#include <cstdlib>

#include "base/error.h"
#include "policy/config/config.h"
#include "tests/fuzz/file_of_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cohort::Error;
  const cohort::FileOfBytes bytes(data, size);
  cohort::policy::ModelConfig config;
  try {
    config = cohort::policy::ReadConfig(bytes.path());
  } catch (const Error& error) {
    if (error.code() != cohort::ErrorCode::kUsage) throw;
    return 0;
  }
  const auto written = cohort::policy::ConfigToJson(config, cohort::policy::Dtype::kFloat32);
  const auto back = cohort::policy::ParseConfig(written, "what was written");
  if (cohort::policy::ConfigToJson(back, cohort::policy::Dtype::kFloat32) != written) std::abort();
  return 0;
}
