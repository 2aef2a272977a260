// The half of huggingface_weights.h that writes.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "base/durable_file.h"
#include "policy/config/quantization.h"
#include "policy/weights/fp8_blocks.h"
#include "policy/weights/huggingface_weights.h"
#include "policy/weights/safetensors.h"
#include "policy/weights/stored_tensors.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

std::string ShardName(size_t index, size_t count) {
  if (count == 1) return kSingleFile;
  char name[64];
  std::snprintf(name, sizeof(name), "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

std::vector<std::vector<NamedTensor>> PlanShards(const ModelConfig& config,
                                                 const WeightMap& weights, Dtype dtype,
                                                 int64_t max_shard_bytes) {
  std::vector<std::vector<NamedTensor>> shards(1);
  int64_t bytes = 0;
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    const Dtype stored = StoredDtype(spec.name, spec.shape.size(), dtype);
    for (const StoredTensor& part : StoredTensors(config, spec.name, weights.at(spec.name))) {
      const NamedTensor tensor{part.name, part.part, stored, part.shape};
      const int64_t size = StoredBytes(tensor);  // FP8's scales are 1 / 4096 of it
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

// FP8 matrices as the values and scales that they are stored as, the others as they are.
std::vector<NamedTensor> Quantized(const std::vector<NamedTensor>& shard) {
  std::vector<NamedTensor> out;
  for (const NamedTensor& item : shard) {
    if (item.dtype != Dtype::kFloat8E4m3) {
      out.push_back(item);
      continue;
    }
    const Fp8Matrix matrix = QuantizeFp8(item.tensor);
    out.push_back({item.name, matrix.values, Dtype::kFloat8E4m3});
    out.push_back({Fp8ScaleName(item.name), matrix.scale_inv, Dtype::kFloat32});
  }
  return out;
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

void WriteHuggingFaceWeights(const std::filesystem::path& folder, const ModelConfig& config,
                             const WeightMap& weights, Dtype dtype, int64_t max_shard_bytes) {
  CheckWeights(config, weights, folder.string());
  if (dtype == Dtype::kFloat8E4m3) CheckFp8Form(config);
  const std::vector<std::vector<NamedTensor>> shards =
      PlanShards(config, weights, dtype, max_shard_bytes);
  std::set<std::string> written;
  json weight_map = json::object();
  int64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = ShardName(i, shards.size());
    const std::vector<NamedTensor> shard = Quantized(shards[i]);
    WriteSafetensors(folder / name, shard);
    written.insert(name);
    for (const NamedTensor& tensor : shard) {
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
