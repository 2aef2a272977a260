#include "policy/weights/stored_tensors.h"

#include <utility>

#include "policy/config/family.h"

namespace cohort::policy {
namespace {

constexpr std::string_view kExperts = ".experts.";
constexpr std::string_view kDeltaNet = ".linear_attn.";
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

const FolderNames& Names(const ModelConfig& config) {
  return FindFamily(config.family, "the model's config").names;
}

void Replace(std::string_view from, std::string_view to, std::string* name) {
  const size_t at = name->find(from);
  if (at != std::string::npos) name->replace(at, from.size(), to);
}

// The matrices of a gated delta net that Qwen's FP8 folders leave as they are.
bool IsKeptOfDeltaNet(const std::string& name) {
  const size_t at = name.find(kDeltaNet);
  if (at == std::string::npos) return false;
  const std::string_view last = std::string_view(name).substr(at + kDeltaNet.size());
  return last == "conv1d.weight" || last == "in_proj_ba.weight" || last == "in_proj_b.weight" ||
         last == "in_proj_a.weight";
}

// The name on disk of a tensor, or of the whole that it is a part of.
std::string InFamilysWords(const FolderNames& names, std::string name) {
  Replace(".mlp.gate.", std::string(".mlp.") + names.router, &name);
  Replace(".mlp.shared_experts.", std::string(".mlp.") + names.shared, &name);
  Replace(".mlp.", names.block, &name);
  return name;
}

bool IsOfExperts(const std::string& name) { return name.find(kExperts) != std::string::npos; }

// [..., 2m, D], gates before ups, as [..., m, 2, D]: gate and up in turn.
at::Tensor InTurn(const at::Tensor& gate_up, int64_t dimension) {
  const int64_t m = gate_up.size(dimension) / 2;
  return gate_up.unflatten(dimension, {2, m}).transpose(dimension, dimension - 1);
}

// The layout of ExpertStorage::kInterleaved, of a tensor or of one expert's slice.
StoredTensor Interleaved(const std::string& stored, const at::Tensor& experts) {
  std::vector<int64_t> shape = experts.sizes().vec();
  if (stored.ends_with("gate_up_proj_bias")) return {stored, InTurn(experts, -1), shape};
  if (stored.ends_with("_bias")) return {stored, experts};
  std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  if (stored.ends_with("down_proj")) return {stored, experts.transpose(-1, -2), shape};
  return {stored, InTurn(experts, -2).movedim(-1, -3), shape};
}

}  // namespace

std::vector<StoredTensor> ExpertLayers(const ModelConfig& config, const std::string& name,
                                       int64_t expert, const at::Tensor& slice) {
  const FolderNames& names = Names(config);
  const std::string fused = InFamilysWords(names, name);
  const std::string prefix =
      fused.substr(0, fused.find(kExperts) + kExperts.size()) + std::to_string(expert) + ".";
  const std::string kind = name.ends_with("_bias") ? ".bias" : ".weight";
  if (name.find("down_proj") != std::string::npos) return {{prefix + names.down + kind, slice}};
  const int64_t m = slice.size(0) / 2;
  return {{prefix + names.gate + kind, slice.narrow(0, 0, m)},
          {prefix + names.up + kind, slice.narrow(0, m, m)}};
}

std::vector<StoredTensor> LinearLayers(const ModelConfig& config, const std::string& name,
                                       const at::Tensor& tensor) {
  if (!IsOfExperts(name)) return WithCopies(config, InFamilysWords(Names(config), name), tensor);
  std::vector<StoredTensor> out;
  for (int64_t e = 0; e < tensor.size(0); ++e) {
    for (StoredTensor& part : ExpertLayers(config, name, e, tensor[e])) {
      out.push_back(std::move(part));
    }
  }
  return out;
}

bool IsInterleaved(const ModelConfig& config, const std::string& name) {
  return IsOfExperts(name) && Names(config).experts == ExpertStorage::kInterleaved;
}

std::vector<StoredTensor> StoredExpert(const ModelConfig& config, const std::string& name,
                                       int64_t expert, const at::Tensor& slice) {
  if (!IsInterleaved(config, name)) return ExpertLayers(config, name, expert, slice);
  return {Interleaved(InFamilysWords(Names(config), name), slice)};
}

std::vector<StoredTensor> StoredTensors(const ModelConfig& config, const std::string& name,
                                        const at::Tensor& tensor) {
  if (!IsInterleaved(config, name)) return LinearLayers(config, name, tensor);
  return {Interleaved(InFamilysWords(Names(config), name), tensor)};
}

std::optional<StoredTensor> StoredRows(const ModelConfig& config, const std::string& name,
                                       const at::Tensor& experts) {
  if (!IsInterleaved(config, name) || name.ends_with("_bias")) return std::nullopt;
  const std::string stored = InFamilysWords(Names(config), name);
  if (stored.ends_with("down_proj")) return StoredTensor(stored, experts);
  return StoredTensor(stored, InTurn(experts, -2), experts.sizes().vec());
}

Dtype StoredDtype(const std::string& name, size_t dimensions, Dtype folder_dtype) {
  if (name.ends_with("e_score_correction_bias")) return Dtype::kFloat32;
  if (folder_dtype != Dtype::kFloat8E4m3) return folder_dtype;
  const bool kept = dimensions < 2 || name == kEmbedding || name == kHead ||
                    name.ends_with("_bias") || name.ends_with(".mlp.gate.weight") ||
                    name.ends_with(".mlp.shared_expert_gate.weight") ||
                    name.ends_with(".eh_proj.weight") || IsKeptOfDeltaNet(name);
  return kept ? Dtype::kBFloat16 : folder_dtype;
}

bool IsValueHead(const std::string& name) { return name.starts_with("v_head."); }

bool IsIndexer(const std::string& name) {
  return name.find(".self_attn.indexer.") != std::string::npos;
}

bool IsOfMtpBlock(const ModelConfig& config, const std::string& name) {
  return config.linear.conv_width > 0 && name.starts_with("mtp.");
}

bool IsOfVisionModel(const ModelConfig& config, const std::string& name) {
  return config.linear.conv_width > 0 && name.starts_with("model.visual.");
}

bool IsIgnored(const ModelConfig& config, const std::string& name) {
  return IsValueHead(name) || (config.attention.latent() && IsIndexer(name)) ||
         name.ends_with("rotary_emb.inv_freq") || (config.tie_embeddings && name == kHead) ||
         IsCopy(config, name) || IsOfMtpBlock(config, name) || IsOfVisionModel(config, name);
}

}  // namespace cohort::policy
