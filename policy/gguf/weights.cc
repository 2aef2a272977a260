// GGUF tensors -> the names and the order of rows of policy/weights/weights.h.

#include "policy/gguf/weights.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <map>
#include <utility>
#include <vector>

#include "base/printable_text.h"
#include "policy/gguf/architecture.h"
#include "policy/gguf/layouts.h"
#include "policy/gguf/rope.h"
#include "policy/tensor/parallel_tasks.h"

namespace cohort::policy {
namespace {

// The shape that the parts make; the first one's where they do not fit together.
std::vector<int64_t> ShapeOf(const ModelConfig& config, bool reorders_rows, const std::string& name,
                             const std::map<int, GgufTensor>& parts) {
  std::vector<at::Tensor> shapes;
  for (const auto& [unused, part] : parts) {
    shapes.push_back(at::empty(part.shape, at::TensorOptions(at::kMeta).dtype(at::kFloat)));
  }
  try {
    return FromGgufLayout(config, reorders_rows, name, shapes).sizes().vec();
  } catch (const c10::Error&) {
    return parts.begin()->second.shape;
  }
}

// llama.cpp's name of the one whose sparse attention has an indexer.
constexpr char kIndexedArchitecture[] = "deepseek32";

// One matrix of a stack.
GgufTensor SliceOf(const GgufTensor& stack, int64_t index) {
  GgufTensor slice = stack;
  slice.shape.erase(slice.shape.begin());
  slice.elements = stack.elements / stack.shape[0];
  slice.bytes = stack.bytes / static_cast<uint64_t>(stack.shape[0]);
  slice.offset = stack.offset + static_cast<uint64_t>(index) * slice.bytes;
  return slice;
}

}  // namespace

GgufWeights::GgufWeights(GgufFile file, const ModelConfig& config, Dtype dtype)
    : file_(std::move(file)),
      config_(config),
      reorders_rows_(FindGgufArchitecture(file_).reorders_rows),
      dtype_(TorchDtype(dtype)) {
  const std::string architecture = file_.String("general.architecture");
  const int64_t blocks = file_.Integer(architecture + ".block_count");
  int64_t left_out = 0, indexers = 0;
  for (const GgufTensor& tensor : file_.tensors()) {
    if (IsGgufRopeTensor(tensor.name)) continue;
    const GgufPlace place = PlaceOfGgufTensor(config, tensor.name);
    if (place.layer >= config.num_layers && place.layer < blocks) {
      ++left_out;
      continue;
    }
    if (place.is_indexer) {
      ++indexers;
      continue;
    }
    if (place.name.empty()) {
      file_.Refuse(
          "tensor '" + tensor.name + "' is not one that a " + config.family + " model has here",
          "extra modules are not supported");
    }
    const auto [other, is_new] = places_[place.name].emplace(place.part, tensor);
    if (!is_new) {
      file_.Refuse("tensors '" + other->second.name + "' and '" + tensor.name + "' are both " +
                   place.name);
    }
  }
  if (left_out > 0) {
    base::PrintNote(file_.source() + ": leaving out the " + std::to_string(left_out) +
                    " tensors of its multi-token-prediction layers");
  }
  if (indexers > 0 && architecture != kIndexedArchitecture) {
    file_.Refuse("general.architecture is '" + architecture + "'; expected '" +
                 kIndexedArchitecture + "': the file has " + std::to_string(indexers) +
                 " tensors of the indexer of its sparse attention");
  }
  if (indexers > 0) {
    base::PrintNote(file_.source() + ": leaving out the " + std::to_string(indexers) +
                    " tensors of the indexer of sparse attention: sequences end at " +
                    std::to_string(config.max_positions) + " tokens");
  }
  std::map<std::string, std::vector<int64_t>> found;
  for (const auto& [name, parts] : places_) {
    found.emplace(name, ShapeOf(config, reorders_rows_, name, parts));
  }
  CheckShapes(ExpectedTensors(config), found, file_.source());
}

at::Tensor GgufWeights::Read(const GgufTensor& tensor) const {
  at::Tensor weight = at::empty(tensor.shape, at::kFloat);
  file_.Read(tensor, {weight.data_ptr<float>(), static_cast<size_t>(weight.numel())});
  return weight;
}

at::Tensor GgufWeights::Take(const std::string& name) {
  const auto found = places_.find(name);
  if (found == places_.end()) return {};
  std::vector<at::Tensor> parts;
  for (const auto& [unused, part] : found->second) parts.push_back(Read(part));
  return FromGgufLayout(config_, reorders_rows_, name, parts)
      .contiguous()
      .to(name.ends_with("e_score_correction_bias") ? at::kFloat : dtype_);
}

at::Tensor GgufWeights::TakeExpert(const std::string& name, ExpertIndex expert) {
  const auto found = places_.find(name);
  if (found == places_.end()) return {};
  const std::vector<int64_t>& shape = found->second.begin()->second.shape;
  if (shape.size() != 3 || shape[0] != expert.count) return {};
  std::vector<at::Tensor> parts;
  for (const auto& [unused, part] : found->second) {
    parts.push_back(Read(SliceOf(part, expert.index)));
  }
  return at::cat(parts, 0).to(dtype_);
}

WeightMap GgufWeights::TakeAll() {
  std::vector<WeightMap::value_type*> order;
  WeightMap weights;
  for (const auto& [name, place] : places_) order.push_back(&*weights.try_emplace(name).first);
  RunTasks(static_cast<int64_t>(order.size()), [&](int64_t i) {
    WeightMap::value_type& item = *order[static_cast<size_t>(i)];
    item.second = Take(item.first);
  });
  return weights;
}

}  // namespace cohort::policy
