#include "rl/checkpoint/tensor_file.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/durable_file.h"
#include "base/error.h"
#include "policy/tensor/dtype.h"

namespace cohort::rl {
namespace {

using nlohmann::json;

json Describe(const std::map<std::string, at::Tensor>& tensors) {
  json header = json::object();
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const uint64_t end = offset + static_cast<uint64_t>(tensor.nbytes());
    header[name] = {{"dtype", policy::SafetensorsName(policy::DtypeOfTorch(tensor.scalar_type()))},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  return header;
}

at::Tensor ReadOne(const json& entry, std::string_view data,
                   const std::shared_ptr<std::string>& owner) {
  const auto dtype_name = entry.at("dtype").get<std::string>();
  const auto shape = entry.at("shape").get<std::vector<int64_t>>();
  const auto begin = entry.at("data_offsets").at(0).get<uint64_t>();
  const auto end = entry.at("data_offsets").at(1).get<uint64_t>();
  if (begin > end || end > data.size()) throw Error(ErrorCode::kUsage, "lies outside the file");
  const auto dtype = policy::DtypeOfSafetensors(dtype_name);
  if (!dtype) throw Error(ErrorCode::kUsage, "has an unknown dtype '" + dtype_name + "'");
  auto bytes = static_cast<uint64_t>(policy::BytesPerElement(*dtype));
  for (const int64_t extent : shape) {
    const bool fits = extent >= 0 && (extent == 0 || bytes <= data.size() / extent);
    if (!fits) throw Error(ErrorCode::kUsage, "has an impossible shape");
    bytes *= static_cast<uint64_t>(extent);
  }
  if (bytes != end - begin) throw Error(ErrorCode::kUsage, "has a shape of another size");
  const at::TensorOptions options(policy::TorchDtype(*dtype));
  void* place = owner->data() + (data.data() + begin - owner->data());
  const auto element = static_cast<uintptr_t>(policy::BytesPerElement(*dtype));
  if (bytes > 0 && reinterpret_cast<uintptr_t>(place) % element == 0) {
    return at::from_blob(
        place, shape, [owner](void*) {}, options);
  }
  at::Tensor tensor = at::empty(shape, options);
  if (bytes > 0) std::memcpy(tensor.mutable_data_ptr(), place, bytes);
  return tensor;
}

}  // namespace

uint64_t WriteTensorFile(const std::filesystem::path& path,
                         const std::map<std::string, at::Tensor>& tensors) {
  std::string header = Describe(tensors).dump();
  header.append((8 - header.size() % 8) % 8, ' ');  // aligned data, as safetensors asks
  const uint64_t length = header.size();
  base::DurableFile file(path);
  file.Write({reinterpret_cast<const char*>(&length), sizeof(length)});
  file.Write(header);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
    file.Write({static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()});
  }
  return file.Commit();
}

std::map<std::string, at::Tensor> ReadTensors(std::string bytes, const std::string& origin) {
  uint64_t length = 0;
  if (bytes.size() >= sizeof(length)) std::memcpy(&length, bytes.data(), sizeof(length));
  if (bytes.size() < sizeof(length) || length > bytes.size() - sizeof(length)) {
    throw Error(ErrorCode::kUsage, origin + ": the header is longer than the file");
  }
  const auto owner = std::make_shared<std::string>(std::move(bytes));
  const std::string_view all = *owner;
  const json header = json::parse(all.substr(sizeof(length), length), nullptr, false);
  if (!header.is_object())
    throw Error(ErrorCode::kUsage, origin + ": the header is no JSON object");
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    try {
      tensors[name] = ReadOne(entry, all.substr(sizeof(length) + length), owner);
    } catch (const json::exception& error) {
      throw Error(ErrorCode::kUsage, origin + ": tensor " + name + ": " + error.what());
    } catch (const Error& error) {
      throw Error(ErrorCode::kUsage, origin + ": tensor " + name + " " + error.what());
    }
  }
  return tensors;
}

}  // namespace cohort::rl
