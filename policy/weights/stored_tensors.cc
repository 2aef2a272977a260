#include "policy/weights/stored_tensors.h"

#include <utility>

#include "policy/config/family.h"

namespace cohort::policy {
namespace {

constexpr std::string_view kMlp = ".mlp.";
constexpr std::string_view kExperts = ".experts.";
constexpr char kEmbedding[] = "model.embed_tokens.weight";
constexpr char kHead[] = "lm_head.weight";

// A multi-token-prediction layer has copies of the embedding and the head under these names.
constexpr std::string_view kEmbeddingCopy = ".embed_tokens.weight";
constexpr std::string_view kHeadCopy = ".shared_head.head.weight";

bool IsCopy(const ModelConfig& config, const std::string& name) {
  return IsOfMtpLayer(config, name) &&
         (name.ends_with(kEmbeddingCopy) || name.ends_with(kHeadCopy));
}

std::vector<StoredTensor> WithCopies(const ModelConfig& config, const std::string& name,
                                     const at::Tensor& tensor) {
  std::vector<StoredTensor> out = {{name, tensor}};
  const auto add = [&](std::string_view copy) {
    for (int64_t i = 0; i < config.num_mtp_layers; ++i) {
      const std::string layer = std::to_string(config.num_layers + i);
      out.push_back({"model.layers." + layer + std::string(copy), tensor});
    }
  };
  if (name == kEmbedding) add(kEmbeddingCopy);
  if (name == (config.tie_embeddings ? kEmbedding : kHead)) add(kHeadCopy);
  return out;
}

// The name on disk of a tensor, or of the whole that it is a part of.
std::string InFamilysWords(const ExpertNames& names, std::string name) {
  const size_t mlp = name.find(kMlp);
  if (mlp != std::string::npos) name.replace(mlp, kMlp.size(), names.block);
  return name;
}

const ExpertNames& Names(const ModelConfig& config) {
  return FindFamily(config.family, "the model's config").experts;
}

}  // namespace

std::vector<StoredTensor> StoredExpert(const ModelConfig& config, const std::string& name,
                                       int64_t expert, const at::Tensor& slice) {
  const ExpertNames& names = Names(config);
  const std::string fused = InFamilysWords(names, name);
  const std::string prefix =
      fused.substr(0, fused.find(kExperts) + kExperts.size()) + std::to_string(expert) + ".";
  if (name.ends_with("down_proj")) return {{prefix + names.down + ".weight", slice}};
  const int64_t m = slice.size(0) / 2;
  return {{prefix + names.gate + ".weight", slice.narrow(0, 0, m)},
          {prefix + names.up + ".weight", slice.narrow(0, m, m)}};
}

std::vector<StoredTensor> StoredTensors(const ModelConfig& config, const std::string& name,
                                        const at::Tensor& tensor) {
  const std::string stored = InFamilysWords(Names(config), name);
  if (stored.find(kExperts) == std::string::npos) return WithCopies(config, stored, tensor);
  std::vector<StoredTensor> out;
  for (int64_t e = 0; e < tensor.size(0); ++e) {
    for (StoredTensor& part : StoredExpert(config, name, e, tensor[e])) {
      out.push_back(std::move(part));
    }
  }
  return out;
}

Dtype StoredDtype(const std::string& name, size_t dimensions, Dtype folder_dtype) {
  if (name.ends_with("e_score_correction_bias")) return Dtype::kFloat32;
  if (folder_dtype != Dtype::kFloat8E4m3) return folder_dtype;
  const bool kept = dimensions < 2 || name == kEmbedding || name == kHead ||
                    name.ends_with(".mlp.gate.weight") || name.ends_with(".eh_proj.weight");
  return kept ? Dtype::kBFloat16 : folder_dtype;
}

bool IsValueHead(const std::string& name) { return name.starts_with("v_head."); }

bool IsIndexer(const std::string& name) {
  return name.find(".self_attn.indexer.") != std::string::npos;
}

bool IsIgnored(const ModelConfig& config, const std::string& name) {
  return IsValueHead(name) || (config.attention.latent() && IsIndexer(name)) ||
         name.ends_with("rotary_emb.inv_freq") || (config.tie_embeddings && name == kHead) ||
         IsCopy(config, name);
}

}  // namespace cohort::policy
