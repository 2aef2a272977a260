#include <nlohmann/json.hpp>

#include "base/durable_file.h"
#include "base/error.h"
#include "policy/weights/safetensors.h"

namespace cohort::policy {
namespace {

std::string DtypeName(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "F32";
    case at::kHalf:
      return "F16";
    case at::kBFloat16:
      return "BF16";
    case at::kFloat8_e4m3fn:
      return "F8_E4M3";
    default:
      throw Error(ErrorCode::kUsage, std::string("cannot store weights as ") +
                                         c10::toString(dtype) +
                                         ", expected float32, float16, bfloat16 or fp8");
  }
}

}  // namespace

int64_t StoredBytes(const NamedTensor& tensor) {
  return tensor.tensor.numel() * static_cast<int64_t>(c10::elementSize(tensor.dtype));
}

void WriteSafetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors) {
  // transformers 4 refuses a file without this entry.
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  int64_t offset = 0;
  for (const NamedTensor& item : tensors) {
    const int64_t end = offset + StoredBytes(item);
    header[item.name] = {{"dtype", DtypeName(item.dtype)},
                         {"shape", item.tensor.sizes().vec()},
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
    const at::Tensor bytes = item.tensor.detach().to(at::kCPU, item.dtype).contiguous();
    file.Write({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  }
  file.Commit();
}

}  // namespace cohort::policy
