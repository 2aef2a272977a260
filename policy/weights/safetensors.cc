#include "policy/weights/safetensors.h"

#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "base/nearest_name.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr int kMaxDepth = 8;
constexpr size_t kMaxDimensions = 8;

[[noreturn]] void Refuse(const std::filesystem::path& path, const std::string& what) {
  throw Error(ErrorCode::kUsage, path.string() + ": " + what,
              "the file may be truncated or damaged: fetch or export it again");
}

// JSON of bounded depth in which no object has a key twice; nlohmann would keep the last.
json ParseStrictJson(std::string_view text, const std::filesystem::path& path) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kMaxDepth) {
      Refuse(path, "the header's JSON is nested deeper than " + std::to_string(kMaxDepth));
    }
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      Refuse(path, "the header names '" + value.get<std::string>() + "' twice");
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& error) {
    Refuse(path, std::string("the header is not JSON: ") + error.what());
  }
}

uint64_t UnsignedAt(const json& value, const std::filesystem::path& path, const std::string& name) {
  if (!value.is_number_unsigned()) {
    Refuse(path, "tensor " + name + ": " + base::DumpJson(value) +
                     " where a non-negative whole number was expected");
  }
  return value.get<uint64_t>();
}

SafetensorsEntry ParseEntry(const json& value, const std::filesystem::path& path,
                            const std::string& name) {
  if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string() ||
      !value.contains("shape") || !value["shape"].is_array() || !value.contains("data_offsets") ||
      !value["data_offsets"].is_array() || value["data_offsets"].size() != 2) {
    Refuse(path, "tensor " + name +
                     ": expected an object with dtype, shape and two data_offsets in the header");
  }
  SafetensorsEntry entry;
  const std::string dtype = value["dtype"].get<std::string>();
  const std::optional<Dtype> known = DtypeOfSafetensors(dtype);
  if (!known.has_value()) Refuse(path, "tensor " + name + ": unknown dtype '" + dtype + "'");
  entry.dtype = *known;
  if (value["shape"].size() > kMaxDimensions) {
    Refuse(path, "tensor " + name + ": more than " + std::to_string(kMaxDimensions) +
                     " dimensions in its shape");
  }
  auto expected = static_cast<uint64_t>(BytesPerElement(entry.dtype));
  for (const json& size : value["shape"]) {
    const uint64_t dimension = UnsignedAt(size, path, name);
    if (__builtin_mul_overflow(expected, dimension, &expected) || dimension > INT64_MAX) {
      Refuse(path, "tensor " + name + ": the product of its shape overflows");
    }
    entry.shape.push_back(static_cast<int64_t>(dimension));
  }
  entry.begin = UnsignedAt(value["data_offsets"][0], path, name);
  entry.end = UnsignedAt(value["data_offsets"][1], path, name);
  if (entry.end < entry.begin || entry.end - entry.begin != expected) {
    Refuse(path, "tensor " + name + ": data_offsets " + base::DumpJson(value["data_offsets"]) +
                     " do not span the " + std::to_string(expected) + " bytes of its shape");
  }
  return entry;
}

// Sorted by offset the tensors must start at 0, follow each other and end with the file.
void CheckCoverage(const std::map<std::string, SafetensorsEntry>& entries, uint64_t data_bytes,
                   const std::filesystem::path& path) {
  std::vector<std::pair<const std::string*, const SafetensorsEntry*>> order;
  for (const auto& [name, entry] : entries) order.emplace_back(&name, &entry);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::tie(a.second->begin, a.second->end) < std::tie(b.second->begin, b.second->end);
  });
  uint64_t next = 0;
  for (const auto& [name, entry] : order) {
    if (entry->begin != next) {
      Refuse(path, "tensor " + *name + " begins at offset " + std::to_string(entry->begin) +
                       " of the data, expected " + std::to_string(next));
    }
    next = entry->end;
    if (next > data_bytes) {
      Refuse(path, "tensor " + *name + " ends at offset " + std::to_string(next) +
                       " of the data, but the file holds " + std::to_string(data_bytes) +
                       " bytes of data");
    }
  }
  if (next != data_bytes) {
    Refuse(path, "the file holds " + std::to_string(data_bytes) +
                     " bytes of data, but its tensors cover " + std::to_string(next));
  }
}

std::string WrittenName(Dtype dtype) {
  static const std::set<Dtype> kWritable = {Dtype::kFloat32, Dtype::kFloat16, Dtype::kBFloat16,
                                            Dtype::kFloat8E4m3};
  if (kWritable.contains(dtype)) return std::string(SafetensorsName(dtype));
  throw Error(ErrorCode::kUsage, std::string("cannot store weights as ") +
                                     at::toString(TorchDtype(dtype)) +
                                     ", expected float32, float16, bfloat16 or fp8");
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::filesystem::path path) : path_(std::move(path)) {
  Map();
  try {
    ParseHeader();
  } catch (...) {
    munmap(const_cast<char*>(bytes_), size_);
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() { munmap(const_cast<char*>(bytes_), size_); }

void SafetensorsFile::Map() {
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  int failed = fd < 0 ? errno : 0;
  if (failed == 0 && fstat(fd, &status) != 0) failed = errno;
  if (failed == 0 && !S_ISREG(status.st_mode)) failed = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
  if (failed == 0) size_ = static_cast<uint64_t>(status.st_size);
  if (failed == 0 && size_ < 8) {
    close(fd);
    Refuse(path_, "only " + std::to_string(size_) + " bytes, expected a safetensors header");
  }
  void* mapped = MAP_FAILED;
  if (failed == 0) {
    mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED) failed = errno;
  }
  if (fd >= 0) close(fd);
  if (failed != 0) {
    throw Error(ErrorCode::kEnvironment,
                "cannot read " + path_.string() + ": " + std::strerror(failed));
  }
  bytes_ = static_cast<const char*>(mapped);
}

void SafetensorsFile::ParseHeader() {
  uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | static_cast<uint8_t>(bytes_[i]);
  if (header_bytes > kMaxHeaderBytes || header_bytes > size_ - 8) {
    Refuse(path_, "offset 0: a header of " + std::to_string(header_bytes) +
                      " bytes, expected at most " +
                      std::to_string(std::min(kMaxHeaderBytes, size_ - 8)));
  }
  data_start_ = 8 + header_bytes;
  const json header = ParseStrictJson({bytes_ + 8, header_bytes}, path_);
  if (!header.is_object()) Refuse(path_, "the header is not a JSON object");
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") continue;
    entries_.emplace(name, ParseEntry(value, path_, name));
  }
  CheckCoverage(entries_, size_ - data_start_, path_);
}

// The pages that were read stay in the system's cache.
void SafetensorsFile::Forget(const at::Tensor& stored) const {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(stored.data_ptr());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + stored.nbytes()) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

void SafetensorsFile::RenamePrefix(const std::string& prefix, const std::string& replacement) {
  std::map<std::string, SafetensorsEntry> renamed;
  for (const auto& [name, entry] : entries_) {
    const bool matches = name.starts_with(prefix);
    const std::string called = matches ? replacement + name.substr(prefix.size()) : name;
    if (renamed.emplace(called, entry).second) continue;
    throw Error(ErrorCode::kUsage, path_.string() + ": tensor " + called + " is there under the " +
                                       "prefix " + prefix + " too");
  }
  entries_ = std::move(renamed);
}

at::Tensor SafetensorsFile::View(const std::string& name) const {
  using enum Dtype;
  return ViewOf(name, {kFloat32, kFloat16, kBFloat16, kFloat8E4m3, kFloat8E8m0});
}

at::Tensor SafetensorsFile::ViewBytes(const std::string& name) const {
  return ViewOf(name, {Dtype::kUInt8});
}

at::Tensor SafetensorsFile::ViewOf(const std::string& name,
                                   std::initializer_list<Dtype> readable) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    std::vector<std::string> names;
    for (const auto& [other, entry] : entries_) names.push_back(other);
    throw Error(ErrorCode::kUsage,
                path_.string() + ": no tensor " + name + base::DidYouMean(name, names));
  }
  const SafetensorsEntry& entry = found->second;
  if (std::find(readable.begin(), readable.end(), entry.dtype) == readable.end()) {
    std::string expected;
    for (const Dtype& dtype : readable) {
      const bool last = &dtype == readable.end() - 1;
      expected += (expected.empty() ? "" : last ? " or " : ", ");
      expected += SafetensorsName(dtype);
    }
    throw Error(ErrorCode::kUsage, path_.string() + ": tensor " + name + " is stored as " +
                                       std::string(SafetensorsName(entry.dtype)) + ", expected " +
                                       expected);
  }
  void* data = const_cast<char*>(bytes_ + data_start_ + entry.begin);
  return at::from_blob(data, entry.shape, at::TensorOptions().dtype(TorchDtype(entry.dtype)));
}

void SafetensorsFile::ReadInto(const std::string& name, at::Tensor out) const {
  const at::Tensor stored = View(name);
  if (out.sizes() != stored.sizes()) {
    throw Error(ErrorCode::kUsage, path_.string() + ": tensor " + name + " has shape " +
                                       base::DumpJson(json(stored.sizes().vec())) + ", expected " +
                                       base::DumpJson(json(out.sizes().vec())));
  }
  if (out.numel() == 0) return;
  out.copy_(stored);
  Forget(stored);
}

int64_t StoredBytes(const NamedTensor& tensor) {
  return tensor.tensor.numel() * BytesPerElement(tensor.dtype);
}

void WriteSafetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors) {
  // transformers 4 refuses a file without this entry.
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  int64_t offset = 0;
  for (const NamedTensor& item : tensors) {
    const int64_t end = offset + StoredBytes(item);
    header[item.name] = {{"dtype", WrittenName(item.dtype)},
                         {"shape", item.shape.empty() ? item.tensor.sizes().vec() : item.shape},
                         {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data starts on a multiple of 8
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  base::DurableFile file(path);
  file.Write(length);
  file.Write(text);
  for (const NamedTensor& item : tensors) {
    const at::Tensor bytes = item.tensor.detach().to(at::kCPU, TorchDtype(item.dtype)).contiguous();
    file.Write({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  }
  file.Commit();
}

}  // namespace cohort::policy
