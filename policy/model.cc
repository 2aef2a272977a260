#include "policy/model.h"

#include <utility>

#include "base/printable_text.h"
#include "policy/gguf/weights.h"
#include "policy/gguf_model.h"
#include "policy/huggingface_folder.h"
#include "policy/locate_model.h"
#include "policy/weights/huggingface_weights.h"

namespace cohort::policy {
namespace {

// config.json may tie the head of a folder that has one of its own: its tensors then count.
void UntieHeadOfItsOwn(const std::filesystem::path& folder, ModelConfig* config) {
  if (!HoldsHeadOfItsOwn(folder, *config)) return;
  config->tie_embeddings = false;
  base::PrintNote(folder.string() +
                  ": lm_head.weight has other values than model.embed_tokens.weight, so they are "
                  "not tied, though tie_word_embeddings is true in config.json or by default; what "
                  "is written of this model has both, and false there");
}

OpenedModel OpenFolder(const std::filesystem::path& folder, Dtype dtype, MtpLayers mtp) {
  OpenedModel opened{ReadHuggingFaceFolder(folder), nullptr};
  ModelConfig& config = opened.model.config;
  UntieHeadOfItsOwn(folder, &config);
  if (mtp == MtpLayers::kLoad && !HoldsMtpLayers(folder, config)) mtp = MtpLayers::kLeaveOut;
  opened.weights = std::make_unique<HuggingFaceWeights>(folder, config, dtype, mtp);
  if (mtp == MtpLayers::kLeaveOut) config = WithoutMtpLayers(config);
  return opened;
}

OpenedModel OpenGguf(const std::filesystem::path& path, Dtype dtype) {
  GgufFile file(path);
  OpenedModel opened{ReadGguf(file), nullptr};
  opened.weights = std::make_unique<GgufWeights>(std::move(file), opened.model.config, dtype);
  return opened;
}

}  // namespace

OpenedModel OpenModel(const std::string& name, Dtype dtype, MtpLayers mtp) {
  const std::filesystem::path path = LocateModel(name);
  return std::filesystem::is_directory(path) ? OpenFolder(path, dtype, mtp) : OpenGguf(path, dtype);
}

Model LoadModel(const std::string& name, Dtype dtype, MtpLayers mtp) {
  OpenedModel opened = OpenModel(name, dtype, mtp);
  opened.model.weights = opened.weights->TakeAll();
  return std::move(opened.model);
}

Model LoadModelWithoutWeights(const std::string& name) {
  const std::filesystem::path path = LocateModel(name);
  if (!std::filesystem::is_directory(path)) return ReadGguf(GgufFile(path));
  Model model = ReadHuggingFaceFolder(path);
  UntieHeadOfItsOwn(path, &model.config);
  model.config = WithoutMtpLayers(model.config);
  return model;
}

Model LoadModelTexts(const std::string& name) {
  const std::filesystem::path path = LocateModel(name);
  return std::filesystem::is_directory(path) ? ReadHuggingFaceFolderTexts(path)
                                             : ReadGguf(GgufFile(path));
}

void SaveModel(const Model& model, const std::filesystem::path& folder, Dtype dtype,
               int64_t max_shard_bytes) {
  WriteHuggingFaceFolder(model, folder, dtype, max_shard_bytes);
}

}  // namespace cohort::policy
