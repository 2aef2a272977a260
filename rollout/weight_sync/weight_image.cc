#include "rollout/weight_sync/weight_image.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/running_checksum.h"
#include "kernels/cpu/thread_pool.h"
#include "policy/lora/merge.h"
#include "policy/tensor/dtype.h"
#include "policy/tensor/parallel_tasks.h"

namespace cohort::rollout {
namespace {

constexpr uint64_t kAlignment = 64;  // a cache line; wide enough for any vector load
// What is copied or read at a time: it stays in a core's own cache for what is done next to it.
constexpr size_t kPieceBytes = size_t{1} << 17;

uint64_t AlignUp(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

policy::Dtype ImageDtype(const std::string& name, const at::Tensor& tensor,
                         policy::Dtype worker_dtype) {
  if (tensor.scalar_type() == at::kBFloat16) return policy::Dtype::kBFloat16;
  if (tensor.scalar_type() == at::kFloat) return KeptDtype(name, tensor.dim(), worker_dtype);
  throw Error(ErrorCode::kInternal, "weight " + name + " has dtype " +
                                        at::toString(tensor.scalar_type()) +
                                        "; only float32 and bfloat16 can be published");
}

std::optional<at::ScalarType> DtypeOf(const std::string& name) {
  const std::optional<policy::Dtype> dtype = policy::DtypeOfSafetensors(name);
  if (dtype != policy::Dtype::kFloat32 && dtype != policy::Dtype::kBFloat16) return std::nullopt;
  return policy::TorchDtype(*dtype);
}

[[noreturn]] void Refuse(const v1::TensorEntry& entry, const std::string& complaint) {
  throw Error(ErrorCode::kUsage, "weight manifest: tensor '" + entry.name() + "' " + complaint);
}

// Bytes of a tensor of this shape, or nullopt when they do not fit 63 bits.
std::optional<uint64_t> BytesOf(const v1::TensorEntry& entry, uint64_t element_bytes) {
  uint64_t bytes = element_bytes;
  for (const int64_t size : entry.shape()) {
    if (size < 0) return std::nullopt;
    const uint64_t factor = static_cast<uint64_t>(size);
    if (factor != 0 && bytes > uint64_t{std::numeric_limits<int64_t>::max()} / factor) {
      return std::nullopt;
    }
    bytes *= factor;
  }
  return bytes;
}

void CheckEntry(const v1::TensorEntry& entry, uint64_t total_bytes) {
  const auto dtype = DtypeOf(entry.dtype());
  if (!dtype.has_value()) {
    Refuse(entry, "has dtype '" + entry.dtype() + "'; expected F32 or BF16");
  }
  const auto bytes = BytesOf(entry, c10::elementSize(*dtype));
  if (!bytes.has_value() || *bytes != entry.num_bytes()) {
    Refuse(entry, "has num_bytes " + std::to_string(entry.num_bytes()) +
                      ", which is not what its shape and dtype need");
  }
  if (entry.offset() % kAlignment != 0) {
    Refuse(entry, "starts at byte " + std::to_string(entry.offset()) + "; expected a multiple of " +
                      std::to_string(kAlignment));
  }
  if (entry.num_bytes() > total_bytes || entry.offset() > total_bytes - entry.num_bytes()) {
    Refuse(entry, "covers bytes " + std::to_string(entry.offset()) + " to +" +
                      std::to_string(entry.num_bytes()) + " of an image of " +
                      std::to_string(total_bytes) + " bytes");
  }
}

void CheckTensorsOfConfig(const v1::WeightManifest& manifest, const policy::ModelConfig& config) {
  std::map<std::string, const v1::TensorEntry*> by_name;
  for (const v1::TensorEntry& entry : manifest.tensors()) {
    if (!by_name.emplace(entry.name(), &entry).second) Refuse(entry, "appears twice");
  }
  const std::vector<policy::TensorSpec> expected = policy::ExpectedTensors(config);
  for (const policy::TensorSpec& spec : expected) {
    const auto found = by_name.find(spec.name);
    if (found == by_name.end()) {
      throw Error(ErrorCode::kUsage, "weight manifest: tensor '" + spec.name + "' is missing",
                  "the sender's model must have the worker's config.json");
    }
    const auto& shape = found->second->shape();
    if (!std::equal(shape.begin(), shape.end(), spec.shape.begin(), spec.shape.end())) {
      Refuse(*found->second, "has another shape than the worker's config.json gives it");
    }
  }
  if (by_name.size() != expected.size()) {
    throw Error(ErrorCode::kUsage, "weight manifest: " + std::to_string(by_name.size()) +
                                       " tensors; the worker's config.json has " +
                                       std::to_string(expected.size()));
  }
}

// Of a size that `config` bounds: what is of a rank that no recipe can have is refused.
void CheckAdaptersOfConfig(const v1::WeightManifest& manifest, const policy::ModelConfig& config) {
  constexpr int64_t kMaxRank = 65'536;  // lora.rank
  policy::WeightMap adapters;           // without memory
  for (const v1::TensorEntry& entry : manifest.tensors()) {
    const std::vector<int64_t> shape(entry.shape().begin(), entry.shape().end());
    const at::Tensor like = at::empty(shape, at::TensorOptions().device(at::kMeta));
    if (!adapters.emplace(entry.name(), like).second) Refuse(entry, "appears twice");
  }
  policy::CheckAdapters(adapters, config);
  for (const v1::TensorEntry& entry : manifest.tensors()) {
    const int64_t rank = entry.shape(entry.name().ends_with(policy::kLoraDown) ? 0 : 1);
    if (rank > kMaxRank) Refuse(entry, "has rank " + std::to_string(rank));
  }
  if (adapters.empty() || !std::isfinite(manifest.adapter_scale())) {
    throw Error(ErrorCode::kUsage, "weight manifest: no adapters, or a scale that is not finite");
  }
}

std::string_view BytesOfEntry(const v1::TensorEntry& entry, std::span<const std::byte> image) {
  return {reinterpret_cast<const char*>(image.data()) + entry.offset(), entry.num_bytes()};
}

// The exponent of every number in eight bytes, its lowest bit, and the bit above it, the sign's.
struct ExponentBits {
  uint64_t exponent, lowest, sign;
};
constexpr ExponentBits kFloat32Bits{0x7f800000'7f800000, 0x00800000'00800000, 0x80000000'80000000};
constexpr ExponentBits kBFloat16Bits{0x7f80'7f80'7f80'7f80, 0x0080'0080'0080'0080,
                                     0x8000'8000'8000'8000};

// Whether a number has all bits of its exponent set, which are those of NaN and the infinities:
// adding the exponent's lowest bit then carries into the sign's place. Eight bytes at once and
// without a branch, so that it runs at the speed of memory.
bool HoldsFullExponent(std::string_view bytes, const ExponentBits& bits) {
  uint64_t carried = 0;
  size_t i = 0;
  for (; i + sizeof(uint64_t) <= bytes.size(); i += sizeof(uint64_t)) {
    uint64_t numbers;
    std::memcpy(&numbers, bytes.data() + i, sizeof(numbers));
    carried |= (numbers & bits.exponent) + bits.lowest;
  }
  uint64_t last = 0;
  std::memcpy(&last, bytes.data() + i, bytes.size() - i);
  carried |= (last & bits.exponent) + bits.lowest;
  return (carried & bits.sign) != 0;
}

enum class TensorFault : char { kNone, kDamaged, kNotFinite };

// Checksum and exponents in one pass over memory.
TensorFault FaultOf(const v1::TensorEntry& entry, std::span<const std::byte> image) {
  const ExponentBits& bits = *DtypeOf(entry.dtype()) == at::kFloat ? kFloat32Bits : kBFloat16Bits;
  std::string_view left = BytesOfEntry(entry, image);
  base::RunningChecksum checksum;
  bool finite = true;
  while (!left.empty()) {
    const std::string_view piece = left.substr(0, kPieceBytes);
    checksum.Add(piece);
    finite = finite && !HoldsFullExponent(piece, bits);
    left.remove_prefix(piece.size());
  }
  if (checksum.value() != entry.checksum()) return TensorFault::kDamaged;
  return finite ? TensorFault::kNone : TensorFault::kNotFinite;
}

// Copies the tensor, rounded to the image's dtype, and returns the checksum of what was written,
// piece by piece while it is in the cache.
uint64_t CopyTensor(const at::Tensor& tensor, at::ScalarType dtype, std::byte* place) {
  const at::Tensor from = tensor.detach().contiguous().flatten();
  const auto size = static_cast<int64_t>(c10::elementSize(dtype));
  const int64_t step = static_cast<int64_t>(kPieceBytes) / size;
  base::RunningChecksum checksum;
  for (int64_t first = 0; first < from.numel(); first += step) {
    const int64_t count = std::min(step, from.numel() - first);
    std::byte* to = place + first * size;
    at::from_blob(to, {count}, dtype).copy_(from.narrow(0, first, count));
    checksum.Add({reinterpret_cast<const char*>(to), static_cast<size_t>(count * size)});
  }
  return checksum.value();
}

}  // namespace

v1::WeightManifest PlanImage(const policy::WeightMap& weights, int64_t policy_version,
                             policy::Dtype worker_dtype) {
  v1::WeightManifest manifest;
  manifest.set_policy_version(policy_version);
  uint64_t end = 0;
  for (const auto& [name, tensor] : weights) {
    v1::TensorEntry& entry = *manifest.add_tensors();
    entry.set_name(name);
    const policy::Dtype dtype = ImageDtype(name, tensor, worker_dtype);
    entry.set_dtype(std::string(policy::SafetensorsName(dtype)));
    for (const int64_t size : tensor.sizes()) entry.add_shape(size);
    entry.set_offset(AlignUp(end));
    entry.set_num_bytes(static_cast<uint64_t>(tensor.numel() * policy::BytesPerElement(dtype)));
    end = entry.offset() + entry.num_bytes();
  }
  manifest.set_total_bytes(end);
  return manifest;
}

void WriteImage(const policy::WeightMap& weights, std::span<std::byte> image,
                v1::WeightManifest* manifest) {
  COHORT_CHECK(image.size() == manifest->total_bytes(), "the image has its planned size");
  policy::RunTasks(manifest->tensors_size(), [&](int64_t index) {
    v1::TensorEntry& entry = *manifest->mutable_tensors(static_cast<int>(index));
    const at::Tensor& tensor = weights.at(entry.name());
    const at::ScalarType dtype = *DtypeOf(entry.dtype());
    COHORT_CHECK(tensor.numel() * c10::elementSize(dtype) == entry.num_bytes(),
                 "weights are those the plan was made from");
    entry.set_checksum(CopyTensor(tensor, dtype, image.data() + entry.offset()));
    const uint64_t end = entry.offset() + entry.num_bytes();
    std::memset(image.data() + end, 0, std::min(AlignUp(end), manifest->total_bytes()) - end);
  });
}

uint64_t BaseChecksum(const v1::WeightManifest& manifest) {
  base::RunningChecksum checksum;
  for (const v1::TensorEntry& entry : manifest.tensors()) {
    std::string line = entry.name() + " " + entry.dtype();
    for (const int64_t size : entry.shape()) line += " " + std::to_string(size);
    checksum.Add(line + " " + std::to_string(entry.checksum()) + "\n");
  }
  return std::max<uint64_t>(1, checksum.value());
}

void CheckManifest(const v1::WeightManifest& manifest, const policy::ModelConfig& config) {
  if (manifest.policy_version() < 0) {
    throw Error(ErrorCode::kUsage, "weight manifest: policy_version is negative");
  }
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const v1::TensorEntry& entry : manifest.tensors()) {
    CheckEntry(entry, manifest.total_bytes());
    ranges.emplace_back(entry.offset(), entry.offset() + entry.num_bytes());
  }
  manifest.content() == v1::WEIGHT_CONTENT_ADAPTERS ? CheckAdaptersOfConfig(manifest, config)
                                                    : CheckTensorsOfConfig(manifest, config);
  std::sort(ranges.begin(), ranges.end());
  uint64_t end = 0;
  for (const auto& [first, last] : ranges) {
    if (first < end) throw Error(ErrorCode::kUsage, "weight manifest: two tensors overlap");
    if (first - end >= kAlignment) {
      throw Error(ErrorCode::kUsage, "weight manifest: bytes " + std::to_string(end) + " to " +
                                         std::to_string(first) + " belong to no tensor");
    }
    end = last;
  }
  if (manifest.total_bytes() != end) {
    throw Error(ErrorCode::kUsage, "weight manifest: total_bytes is " +
                                       std::to_string(manifest.total_bytes()) +
                                       "; its last tensor ends at byte " + std::to_string(end));
  }
}

ImageFaults FindFaults(const v1::WeightManifest& manifest, std::span<const std::byte> image,
                       int threads) {
  std::vector<TensorFault> faults(static_cast<size_t>(manifest.tensors_size()));
  kernels::ThreadPool pool(threads);
  pool.ParallelFor(manifest.tensors_size(), [&](int64_t i, int) {
    faults[static_cast<size_t>(i)] = FaultOf(manifest.tensors(static_cast<int>(i)), image);
  });
  const auto first = [&](TensorFault kind) {
    const auto found = std::find(faults.begin(), faults.end(), kind);
    if (found == faults.end()) return std::string();
    return manifest.tensors(static_cast<int>(found - faults.begin())).name();
  };
  return {first(TensorFault::kDamaged), first(TensorFault::kNotFinite)};
}

policy::WeightMap ViewImage(const v1::WeightManifest& manifest, std::span<const std::byte> image,
                            std::shared_ptr<const void> owner) {
  policy::WeightMap weights;
  for (const v1::TensorEntry& entry : manifest.tensors()) {
    // LibTorch has no const tensors; nobody writes through these.
    void* data = const_cast<std::byte*>(image.data()) + entry.offset();
    const std::vector<int64_t> shape(entry.shape().begin(), entry.shape().end());
    weights[entry.name()] = at::from_blob(
        data, shape, [owner](void*) {}, at::TensorOptions(*DtypeOf(entry.dtype())));
  }
  return weights;
}

}  // namespace cohort::rollout
