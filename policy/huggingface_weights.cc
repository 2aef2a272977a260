#include "policy/huggingface_weights.h"

#include <ATen/ops/empty.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "base/nearest_name.h"
#include "policy/safetensors.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

// One tensor on disk and the part of the tensor in memory that it fills.
struct StoredPart {
  std::string name;
  at::Tensor part;
};

std::vector<StoredPart> StoredParts(const std::string& name, const at::Tensor& tensor) {
  const size_t experts = name.find(".experts.");
  if (experts == std::string::npos) return {{name, tensor}};
  const std::string prefix = name.substr(0, experts + 9);
  std::vector<StoredPart> out;
  for (int64_t e = 0; e < tensor.size(0); ++e) {
    const std::string expert = prefix + std::to_string(e) + ".";
    if (name.ends_with("down_proj")) {
      out.push_back({expert + "down_proj.weight", tensor[e]});
      continue;
    }
    const int64_t m = tensor.size(1) / 2;
    out.push_back({expert + "gate_proj.weight", tensor[e].narrow(0, 0, m)});
    out.push_back({expert + "up_proj.weight", tensor[e].narrow(0, m, m)});
  }
  return out;
}

bool IsSelectionBias(const std::string& name) { return name.ends_with("e_score_correction_bias"); }

// Tensors that some exports carry and that nobody reads.
bool IsIgnored(const std::string& name, const ModelConfig& config) {
  return name.ends_with("rotary_emb.inv_freq") ||
         (config.tie_embeddings && name == "lm_head.weight");
}

// The shards that an index names, each a plain file name in the folder.
std::set<std::string> ReadIndex(const std::filesystem::path& path) {
  const json index = json::parse(base::ReadFile(path), nullptr, /*allow_exceptions=*/false);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw Error(ErrorCode::kUsage, path.string() + ": expected a JSON object with a weight_map");
  }
  std::set<std::string> shards;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string() || shard.get<std::string>().find('/') != std::string::npos) {
      throw Error(ErrorCode::kUsage, path.string() + ": weight_map of " + name + " is " +
                                         base::DumpJson(shard) + ", expected a file name");
    }
    shards.insert(shard.get<std::string>());
  }
  return shards;
}

using Shards = std::vector<std::unique_ptr<SafetensorsFile>>;

Shards OpenShards(const std::filesystem::path& folder) {
  Shards shards;
  if (std::filesystem::exists(folder / kIndexFile)) {
    for (const std::string& name : ReadIndex(folder / kIndexFile)) {
      shards.push_back(std::make_unique<SafetensorsFile>(folder / name));
    }
    return shards;
  }
  if (!std::filesystem::exists(folder / kSingleFile)) {
    throw Error(ErrorCode::kEnvironment,
                folder.string() + ": no " + kSingleFile + " and no " + kIndexFile,
                "expected a Hugging Face model folder with safetensors weights");
  }
  shards.push_back(std::make_unique<SafetensorsFile>(folder / kSingleFile));
  return shards;
}

std::map<std::string, const SafetensorsFile*> Locate(const Shards& shards) {
  std::map<std::string, const SafetensorsFile*> where;
  for (const auto& shard : shards) {
    for (const auto& [name, entry] : shard->entries()) {
      const auto [found, inserted] = where.emplace(name, shard.get());
      if (inserted) continue;
      throw Error(ErrorCode::kUsage, shard->path().string() + ": tensor " + name + " is also in " +
                                         found->second->path().filename().string());
    }
  }
  return where;
}

// Names first, so that a wrong model is refused before anything is allocated.
void CheckNames(const std::filesystem::path& folder, const ModelConfig& config,
                const std::map<std::string, const SafetensorsFile*>& where) {
  std::set<std::string> expected;
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    for (const StoredPart& part :
         StoredParts(spec.name, at::empty(spec.shape, at::TensorOptions().device(at::kMeta)))) {
      expected.insert(part.name);
    }
  }
  std::vector<std::string> names, extra, problems;
  for (const auto& [name, shard] : where) {
    names.push_back(name);
    if (expected.count(name) == 0 && !IsIgnored(name, config)) extra.push_back(name);
  }
  for (const std::string& name : expected) {
    if (where.count(name) == 0) {
      problems.push_back("no tensor " + name + base::DidYouMean(name, extra));
    }
  }
  for (const std::string& name : extra) problems.push_back("unexpected tensor " + name);
  if (problems.empty()) return;
  std::string message = folder.string() + ": the weights do not fit config.json: ";
  for (size_t i = 0; i < problems.size() && i < 5; ++i) {
    message += (i > 0 ? "; " : "") + problems[i];
  }
  if (problems.size() > 5) message += "; and " + std::to_string(problems.size() - 5) + " more";
  throw Error(ErrorCode::kUsage, message);
}

std::string ShardName(size_t index, size_t count) {
  if (count == 1) return kSingleFile;
  char name[64];
  std::snprintf(name, sizeof(name), "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

std::vector<std::vector<NamedTensor>> PlanShards(const ModelConfig& config,
                                                 const WeightMap& weights, at::ScalarType dtype,
                                                 int64_t max_shard_bytes) {
  std::vector<std::vector<NamedTensor>> shards(1);
  int64_t bytes = 0;
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    const at::ScalarType stored = IsSelectionBias(spec.name) ? at::kFloat : dtype;
    for (const StoredPart& part : StoredParts(spec.name, weights.at(spec.name))) {
      const NamedTensor tensor{part.name, part.part, stored};
      const int64_t size = StoredBytes(tensor);
      if (bytes + size > max_shard_bytes && !shards.back().empty()) {
        shards.emplace_back();
        bytes = 0;
      }
      shards.back().push_back(tensor);
      bytes += size;
    }
  }
  return shards;
}

// Files of an earlier save with another number of shards would be read in place of the new ones.
void RemoveStale(const std::filesystem::path& folder, const std::set<std::string>& current) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool is_weights =
        name == kIndexFile || (name.starts_with("model") && name.ends_with(".safetensors"));
    if (is_weights && current.count(name) == 0) std::filesystem::remove(entry.path());
  }
}

}  // namespace

WeightMap ReadHuggingFaceWeights(const std::filesystem::path& folder, const ModelConfig& config,
                                 at::ScalarType dtype) {
  const Shards shards = OpenShards(folder);
  const std::map<std::string, const SafetensorsFile*> where = Locate(shards);
  CheckNames(folder, config, where);
  WeightMap weights;
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    const at::ScalarType stored = IsSelectionBias(spec.name) ? at::kFloat : dtype;
    at::Tensor tensor = at::empty(spec.shape, stored);
    for (const StoredPart& part : StoredParts(spec.name, tensor)) {
      where.at(part.name)->ReadInto(part.name, part.part);
    }
    weights.emplace(spec.name, tensor);
  }
  return weights;
}

void WriteHuggingFaceWeights(const std::filesystem::path& folder, const ModelConfig& config,
                             const WeightMap& weights, at::ScalarType dtype,
                             int64_t max_shard_bytes) {
  CheckWeights(config, weights, folder.string());
  const std::vector<std::vector<NamedTensor>> shards =
      PlanShards(config, weights, dtype, max_shard_bytes);
  std::set<std::string> written;
  json weight_map = json::object();
  int64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = ShardName(i, shards.size());
    WriteSafetensors(folder / name, shards[i]);
    written.insert(name);
    for (const NamedTensor& tensor : shards[i]) {
      weight_map[tensor.name] = name;
      total += StoredBytes(tensor);
    }
  }
  if (shards.size() > 1) {
    const json index = {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
    base::WriteFileDurably(folder / kIndexFile, index.dump(2) + "\n");
    written.insert(kIndexFile);
  }
  RemoveStale(folder, written);
}

}  // namespace cohort::policy
