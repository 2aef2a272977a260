#include "policy/weights/huggingface_weights.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/bounded_json.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "base/nearest_name.h"
#include "base/printable_text.h"
#include "policy/tensor/parallel_tasks.h"
#include "policy/weights/fp8_blocks.h"
#include "policy/weights/look_alikes.h"
#include "policy/weights/mxfp4_blocks.h"
#include "policy/weights/safetensors.h"
#include "policy/weights/stored_tensors.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

constexpr char kEmbedding[] = "model.embed_tokens.weight";
constexpr char kHead[] = "lm_head.weight";

// The shards that an index names, each a plain file name in the folder.
std::set<std::string> ReadIndex(const std::filesystem::path& path) {
  const json index = base::ReadBoundedJsonObject(path);
  if (!index.contains("weight_map") || !index["weight_map"].is_object()) {
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

std::unique_ptr<SafetensorsFile> OpenShard(const std::filesystem::path& path) {
  auto shard = std::make_unique<SafetensorsFile>(path);
  shard->RenamePrefix(kTextModelPrefix, "model.");
  return shard;
}

Shards OpenShards(const std::filesystem::path& folder) {
  Shards shards;
  // transformers takes the single file where both are.
  if (!std::filesystem::exists(folder / kSingleFile) &&
      std::filesystem::exists(folder / kIndexFile)) {
    for (const std::string& name : ReadIndex(folder / kIndexFile)) {
      shards.push_back(OpenShard(folder / name));
    }
    return shards;
  }
  if (!std::filesystem::exists(folder / kSingleFile)) {
    throw Error(ErrorCode::kEnvironment,
                folder.string() + ": no " + kSingleFile + " and no " + kIndexFile,
                "expected a Hugging Face model folder with safetensors weights");
  }
  shards.push_back(OpenShard(folder / kSingleFile));
  return shards;
}

// Of a folder that may have no weights, or not all of its shards: nothing.
Shards OpenShardsIfThere(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  if (fs::exists(folder / kSingleFile)) return OpenShards(folder);
  if (!fs::exists(folder / kIndexFile)) return {};
  const std::set<std::string> names = ReadIndex(folder / kIndexFile);
  const bool all = std::all_of(names.begin(), names.end(),
                               [&](const std::string& name) { return fs::exists(folder / name); });
  return all ? OpenShards(folder) : Shards();
}

using Locations = std::map<std::string, const SafetensorsFile*>;

Locations Locate(const Shards& shards) {
  Locations where;
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

bool IsFp8(const Locations& where, const std::string& name) {
  const auto found = where.find(name);
  return found != where.end() && found->second->entries().at(name).dtype == Dtype::kFloat8E4m3;
}

bool IsMxfp4(const Locations& where, const std::string& name) {
  return where.contains(Mxfp4BlocksName(name)) || where.contains(Mxfp4ScalesName(name));
}

// The parts of one tensor, or of one slice of it, where the folder holds it whole: as in memory,
// interleaved or in MXFP4. Nothing where its parts are tensors of their own.
std::optional<StoredTensor> WholeInFolder(const ModelConfig& config, const std::string& name,
                                          const at::Tensor& tensor, const Locations& where) {
  if (!IsInterleaved(config, name)) {
    if (!where.contains(name)) return std::nullopt;
    return StoredTensor(name, tensor);
  }
  std::optional<StoredTensor> rows = StoredRows(config, name, tensor);
  if (rows && IsMxfp4(where, rows->name)) return rows;
  return StoredTensors(config, name, tensor).front();
}

// The parts of one tensor under the folder's names.
std::vector<StoredTensor> PartsInFolder(const ModelConfig& config, const std::string& name,
                                        const at::Tensor& tensor, const Locations& where) {
  if (auto whole = WholeInFolder(config, name, tensor, where)) return {*std::move(whole)};
  return StoredTensors(config, name, tensor);
}

using Slice = std::optional<int64_t>;

at::Tensor Sliced(const at::Tensor& stored, Slice slice) { return slice ? stored[*slice] : stored; }

void ReadFp8(const StoredTensor& stored, Slice slice, const Locations& where) {
  const SafetensorsFile& file = *where.at(stored.name);
  const std::string scale_name = Fp8ScaleName(stored.name);
  const at::Tensor values = Sliced(file.View(stored.name), slice);
  const at::Tensor scale_inv = Sliced(where.at(scale_name)->View(scale_name), slice);
  DequantizeFp8({values, scale_inv.to(at::kFloat)}, stored.part);
  file.Forget(values);
}

void ReadMxfp4(const StoredTensor& stored, Slice slice, const Locations& where) {
  const std::string blocks_name = Mxfp4BlocksName(stored.name);
  const std::string scales_name = Mxfp4ScalesName(stored.name);
  const SafetensorsFile &blocks_file = *where.at(blocks_name), &file = *where.at(scales_name);
  const at::Tensor blocks = Sliced(blocks_file.ViewBytes(blocks_name), slice);
  const at::Tensor scales = Sliced(file.ViewBytes(scales_name), slice);
  const int64_t nans = scales.eq(kMxfp4NanScale).sum().item<int64_t>();
  if (nans > 0) {
    throw Error(ErrorCode::kUsage, file.path().string() + ": tensor " + scales_name + " holds " +
                                       std::to_string(nans) +
                                       " scales of 255, which are NaN, expected 0 to 254");
  }
  DequantizeMxfp4({blocks.view(Mxfp4BlocksShape(stored.part.sizes())),
                   scales.view(Mxfp4ScalesShape(stored.part.sizes()))},
                  stored.part);
  blocks_file.Forget(blocks);
}

// `slice`: the part is tensor[slice] of the folder's.
void ReadPart(const StoredTensor& stored, Slice slice, const Locations& where) {
  if (IsMxfp4(where, stored.name)) return ReadMxfp4(stored, slice, where);
  if (IsFp8(where, stored.name)) return ReadFp8(stored, slice, where);
  const SafetensorsFile& file = *where.at(stored.name);
  const at::Tensor values = Sliced(file.View(stored.name), slice);
  if (values.numel() == 0) return;
  at::Tensor part = stored.part;
  part.copy_(values.view(part.sizes()));
  file.Forget(values);
}

// A head without the embedding that it is tied to is the embedding, as in transformers.
void TakeHeadAsEmbedding(const ModelConfig& config, const Shards& shards) {
  if (!config.tie_embeddings || Locate(shards).contains(kEmbedding)) return;
  for (const auto& shard : shards) shard->RenamePrefix(kHead, kEmbedding);
}

bool HasScales(const std::string& name, const Locations& where) {
  const auto scales = where.find(Fp8ScaleName(name));
  if (scales == where.end()) return false;
  const auto &entries = where.at(name)->entries(), &of_scales = scales->second->entries();
  return of_scales.at(scales->first).shape == Fp8ScaleShape(entries.at(name).shape);
}

at::Tensor ReadWhole(const std::string& name, const Locations& where) {
  const StoredTensor whole(name, at::empty(where.at(name)->entries().at(name).shape, at::kFloat));
  ReadPart(whole, std::nullopt, where);
  return whole.part;
}

// Of two matrices of the folder; ends at the first rows that differ.
bool HaveEqualValues(const std::string& a, const std::string& b, const Locations& where) {
  const SafetensorsFile &file_a = *where.at(a), &file_b = *where.at(b);
  const std::vector<int64_t>& shape = file_a.entries().at(a).shape;
  if (shape != file_b.entries().at(b).shape || shape.size() != 2) return false;
  for (const std::string& name : {a, b}) {
    if (IsFp8(where, name) && !HasScales(name, where)) return false;
  }
  if (IsFp8(where, a) || IsFp8(where, b)) {
    return at::equal(ReadWhole(a, where), ReadWhole(b, where));
  }
  const at::Tensor whole_a = file_a.View(a), whole_b = file_b.View(b);
  constexpr int64_t kRows = 256;
  for (int64_t first = 0; first < shape[0]; first += kRows) {
    const int64_t count = std::min(kRows, shape[0] - first);
    const at::Tensor rows_a = whole_a.narrow(0, first, count);
    const at::Tensor rows_b = whole_b.narrow(0, first, count);
    const bool equal = rows_a.scalar_type() == rows_b.scalar_type()
                           ? at::equal(rows_a, rows_b)
                           : at::equal(rows_a.to(at::kFloat), rows_b.to(at::kFloat));
    file_a.Forget(rows_a);
    file_b.Forget(rows_b);
    if (!equal) return false;
  }
  return true;
}

void SayWhatIsUnpacked(const std::filesystem::path& folder, Dtype dtype, const Locations& where) {
  const auto blocks = std::count_if(where.begin(), where.end(), [&](const auto& item) {
    return item.first.ends_with(Mxfp4BlocksName(""));
  });
  if (blocks == 0) return;
  base::PrintNote(folder.string() + ": unpacking " + std::to_string(blocks) +
                  " tensors of experts from MXFP4 to " + std::string(NameOf(dtype)) +
                  "; a folder written of this model holds them unpacked, without blocks");
}

void SayWhatIsLeftOut(const std::filesystem::path& folder, const ModelConfig& announced,
                      MtpLayers mtp, const Locations& where) {
  const auto say = [&](auto is_left_out, const std::string& what) {
    const auto count = std::count_if(where.begin(), where.end(),
                                     [&](const auto& item) { return is_left_out(item.first); });
    if (count == 0) return;
    base::PrintNote(folder.string() + ": leaving out " + std::to_string(count) + " tensors of " +
                    what);
  };
  say(IsValueHead, "a value head (v_head)");
  say(IsIndexer, "the indexer of sparse attention: sequences end at index_topk, " +
                     std::to_string(announced.max_positions) +
                     " tokens, within which it chooses every token");
  say([&](const std::string& name) { return IsOfVisionModel(announced, name); },
      "the vision model: this is its text model alone");
  say([&](const std::string& name) { return IsOfMtpBlock(announced, name); },
      "multi-token-prediction layers");
  if (mtp == MtpLayers::kLoad) return;
  say([&](const std::string& name) { return IsOfMtpLayer(announced, name); },
      "multi-token-prediction layers");
}

// The tensors that hold `stored` in the folder.
void AddExpected(const std::filesystem::path& folder, const StoredTensor& stored,
                 const Locations& where, std::vector<TensorSpec>* expected) {
  if (IsMxfp4(where, stored.name)) {
    if (stored.shape.back() % kMxfp4Block != 0) {
      const bool down = stored.name.ends_with("down_proj");
      const std::string row = std::to_string(stored.shape.back());
      throw Error(ErrorCode::kUsage, (folder / "config.json").string() + ": " +
                                         (down ? "intermediate_size" : "hidden_size") + " is " +
                                         row + ", expected a multiple of 32: the tensors of " +
                                         stored.name + " are in MXFP4, and rows of " + row +
                                         " numbers are no whole blocks of 32");
    }
    expected->push_back({Mxfp4BlocksName(stored.name), Mxfp4BlocksShape(stored.shape)});
    expected->push_back({Mxfp4ScalesName(stored.name), Mxfp4ScalesShape(stored.shape)});
    return;
  }
  expected->push_back({stored.name, stored.shape});
  if (!IsFp8(where, stored.name)) return;
  const bool in_turn = stored.part.sizes() != stored.shape;
  if (stored.part.dim() < 2 || in_turn) {
    throw Error(ErrorCode::kUsage,
                where.at(stored.name)->path().string() + ": tensor " + stored.name +
                    " is in FP8, which is " +
                    (in_turn ? "not for experts with gate and up in turn" : "for matrices alone"));
  }
  expected->push_back({Fp8ScaleName(stored.name), Fp8ScaleShape(stored.part.sizes())});
}

// What the names say, where they are those of another family than config.json's.
std::string LookAlike(const std::string& family, const Locations& where) {
  std::set<std::string> names;
  for (const auto& [name, shard] : where) names.insert(name);
  const std::vector<std::string> families = FamiliesNamedLike(names);
  if (families.empty() || std::count(families.begin(), families.end(), family) > 0) return "";
  return ": these are named as those of " + base::CommaSeparated(families) +
         ", and model_type says " + family;
}

// Names and shapes first, so that a wrong model is refused before anything is allocated.
void CheckFolder(const std::filesystem::path& folder, const ModelConfig& config,
                 const ModelConfig& announced, const Locations& where) {
  std::vector<TensorSpec> expected;
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    const at::Tensor shape = at::empty(spec.shape, at::TensorOptions().device(at::kMeta));
    for (const StoredTensor& stored : PartsInFolder(config, spec.name, shape, where)) {
      AddExpected(folder, stored, where, &expected);
    }
  }
  std::map<std::string, std::vector<int64_t>> found;
  for (const auto& [name, shard] : where) {
    const bool left_out = IsOfMtpLayer(announced, name) && !IsOfMtpLayer(config, name);
    if (!left_out && !IsIgnored(config, name)) found.emplace(name, shard->entries().at(name).shape);
  }
  const std::string problems = ShapeProblems(expected, found);
  if (problems.empty()) return;
  throw Error(ErrorCode::kUsage,
              folder.string() + ": the tensors do not fit config.json" + problems,
              "the weights and config.json must come from the same model" +
                  LookAlike(config.family, where));
}

}  // namespace

bool HoldsMtpLayers(const std::filesystem::path& folder, const ModelConfig& config) {
  if (config.num_mtp_layers == 0) return false;
  const Shards shards = OpenShards(folder);
  const Locations where = Locate(shards);
  return std::any_of(where.begin(), where.end(),
                     [&](const auto& item) { return IsOfMtpLayer(config, item.first); });
}

bool HoldsHeadOfItsOwn(const std::filesystem::path& folder, const ModelConfig& config) {
  if (!config.tie_embeddings) return false;
  const Shards shards = OpenShardsIfThere(folder);
  const Locations where = Locate(shards);
  if (!where.contains(kHead) || !where.contains(kEmbedding)) return false;
  return !HaveEqualValues(kHead, kEmbedding, where);
}

std::optional<int64_t> CountIndexerTensors(const std::filesystem::path& folder) {
  const Shards shards = OpenShardsIfThere(folder);
  if (shards.empty()) return std::nullopt;
  const Locations where = Locate(shards);
  return std::count_if(where.begin(), where.end(),
                       [](const auto& item) { return IsIndexer(item.first); });
}

struct HuggingFaceWeights::Folder {
  ModelConfig config;  // without the layers that are left out
  Dtype dtype;
  Shards shards;
  Locations where;
  std::map<std::string, std::vector<int64_t>> shapes;  // of the tensors in memory

  at::Tensor Allocate(const std::string& name) const {
    const std::vector<int64_t>& shape = shapes.at(name);
    return at::empty(shape, TorchDtype(StoredDtype(name, shape.size(), dtype)));
  }

  void Read(const std::vector<StoredTensor>& parts) const {
    RunTasks(static_cast<int64_t>(parts.size()),
             [&](int64_t i) { ReadPart(parts[static_cast<size_t>(i)], std::nullopt, where); });
  }
};

HuggingFaceWeights::HuggingFaceWeights(const std::filesystem::path& path,
                                       const ModelConfig& announced, Dtype dtype, MtpLayers mtp) {
  auto folder = std::make_unique<Folder>();
  folder->config = mtp == MtpLayers::kLoad ? announced : WithoutMtpLayers(announced);
  folder->dtype = dtype;
  folder->shards = OpenShards(path);
  TakeHeadAsEmbedding(folder->config, folder->shards);
  folder->where = Locate(folder->shards);
  CheckFolder(path, folder->config, announced, folder->where);
  SayWhatIsLeftOut(path, announced, mtp, folder->where);
  SayWhatIsUnpacked(path, dtype, folder->where);
  for (TensorSpec& spec : ExpectedTensors(folder->config)) {
    folder->shapes.emplace(std::move(spec.name), std::move(spec.shape));
  }
  folder_ = std::move(folder);
}

HuggingFaceWeights::~HuggingFaceWeights() = default;

at::Tensor HuggingFaceWeights::Take(const std::string& name) {
  if (!folder_->shapes.contains(name)) return {};
  at::Tensor tensor = folder_->Allocate(name);
  folder_->Read(PartsInFolder(folder_->config, name, tensor, folder_->where));
  return tensor;
}

at::Tensor HuggingFaceWeights::TakeExpert(const std::string& name, ExpertIndex expert) {
  const auto shape = folder_->shapes.find(name);
  if (shape == folder_->shapes.end() || shape->second.front() != expert.count) return {};
  const at::IntArrayRef sizes = at::IntArrayRef(shape->second).slice(1);
  at::Tensor slice =
      at::empty(sizes, TorchDtype(StoredDtype(name, shape->second.size(), folder_->dtype)));
  if (const auto whole = WholeInFolder(folder_->config, name, slice, folder_->where)) {
    ReadPart(*whole, expert.index, folder_->where);
  } else {
    folder_->Read(StoredExpert(folder_->config, name, expert.index, slice));
  }
  return slice;
}

Fp8Matrix HuggingFaceWeights::TakeFp8(const std::string& name) {
  const auto shape = folder_->shapes.find(name);
  if (shape == folder_->shapes.end()) return {};
  Fp8Matrix matrix{at::empty(shape->second, at::kFloat8_e4m3fn), {}};
  std::vector<at::Tensor> scales;
  for (StoredTensor& stored : PartsInFolder(folder_->config, name, matrix.values, folder_->where)) {
    if (!IsFp8(folder_->where, stored.name)) return {};
    const SafetensorsFile& file = *folder_->where.at(stored.name);
    stored.part.copy_(file.View(stored.name));
    const std::string scale_name = Fp8ScaleName(stored.name);
    scales.push_back(folder_->where.at(scale_name)->View(scale_name).to(at::kFloat));
  }
  matrix.scale_inv = scales.size() == 1 ? scales[0].contiguous() : at::cat(scales);
  if (shape->second.size() == 3) {
    const int64_t columns = matrix.scale_inv.size(-1);
    matrix.scale_inv = matrix.scale_inv.reshape({shape->second[0], -1, columns});
  }
  return matrix;
}

WeightMap HuggingFaceWeights::TakeAll() {
  WeightMap weights;
  std::vector<StoredTensor> parts;
  for (const auto& [name, shape] : folder_->shapes) {
    const at::Tensor tensor = folder_->Allocate(name);
    for (StoredTensor& part : PartsInFolder(folder_->config, name, tensor, folder_->where)) {
      parts.push_back(std::move(part));
    }
    weights.emplace(name, tensor);
  }
  folder_->Read(parts);
  return weights;
}

}  // namespace cohort::policy
