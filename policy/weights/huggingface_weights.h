#pragma once

// Weights of a Hugging Face folder: model.safetensors, or shards with model.safetensors.index.json.
// On disk most families' routed experts have tensors of their own; in memory they are fused
// (policy/weights/weights.h, policy/weights/stored_tensors.h).

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "policy/config/config.h"
#include "policy/tensor/dtype.h"
#include "policy/weights/weight_source.h"
#include "policy/weights/weights.h"

namespace cohort::policy {

// The names of a folder's weights: one file, or shards and what says which tensor is where.
constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

// A folder, opened: every name and shape is checked before anything is read. What is taken is
// converted to `dtype`, FP8 and MXFP4 matrices with their block scales; selection biases stay fp32.
// Missing, extra and mis-shaped tensors: kUsage. The multi-token-prediction layers that the config
// announces are left out or, with kLoad, must be there.
class HuggingFaceWeights final : public WeightSource {
 public:
  HuggingFaceWeights(const std::filesystem::path& folder, const ModelConfig& announced, Dtype dtype,
                     MtpLayers mtp = MtpLayers::kLeaveOut);
  ~HuggingFaceWeights() override;

  at::Tensor Take(const std::string& name) override;
  at::Tensor TakeExpert(const std::string& name, ExpertIndex expert) override;
  Fp8Matrix TakeFp8(const std::string& name) override;
  WeightMap TakeAll() override;

 private:
  struct Folder;
  std::unique_ptr<const Folder> folder_;
};

// False for folders that announce such layers and hold none, as those that transformers writes.
bool HoldsMtpLayers(const std::filesystem::path& folder, const ModelConfig& config);

// True where the config ties the head to the embedding and the folder has both with other values:
// transformers 5 then does not tie them. Reads no more than the rows up to the first that differ.
// False for a folder without its weights.
bool HoldsHeadOfItsOwn(const std::filesystem::path& folder, const ModelConfig& config);

// The tensors of IsIndexer in policy/weights/stored_tensors.h; nothing for a folder without its
// weights.
std::optional<int64_t> CountIndexerTensors(const std::filesystem::path& folder);

// `dtype` is that of StoredDtype in policy/weights/stored_tensors.h. Durable; replaces what the
// folder held. A shard is closed before it would pass max_shard_bytes.
void WriteHuggingFaceWeights(const std::filesystem::path& folder, const ModelConfig& config,
                             const WeightMap& weights, Dtype dtype, int64_t max_shard_bytes);

}  // namespace cohort::policy
