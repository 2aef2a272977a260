#include "policy/tensor/dtype.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace cohort::policy {
namespace {

struct DtypeNames {
  Dtype dtype;
  at::ScalarType torch;
  std::string_view name, safetensors;
};

constexpr DtypeNames kDtypeNames[] = {
    {Dtype::kFloat32, at::kFloat, "float32", "F32"},
    {Dtype::kFloat16, at::kHalf, "float16", "F16"},
    {Dtype::kBFloat16, at::kBFloat16, "bfloat16", "BF16"},
    {Dtype::kFloat8E4m3, at::kFloat8_e4m3fn, "fp8", "F8_E4M3"},
    {Dtype::kFloat8E8m0, at::kFloat8_e8m0fnu, "float8_e8m0fnu", "F8_E8M0"},
    {Dtype::kFloat8E5m2, at::kFloat8_e5m2, "float8_e5m2", "F8_E5M2"},
    {Dtype::kFloat64, at::kDouble, "float64", "F64"},
    {Dtype::kInt8, at::kChar, "int8", "I8"},
    {Dtype::kInt16, at::kShort, "int16", "I16"},
    {Dtype::kInt32, at::kInt, "int32", "I32"},
    {Dtype::kInt64, at::kLong, "int64", "I64"},
    {Dtype::kUInt8, at::kByte, "uint8", "U8"},
    {Dtype::kUInt16, at::kUInt16, "uint16", "U16"},
    {Dtype::kUInt32, at::kUInt32, "uint32", "U32"},
    {Dtype::kUInt64, at::kUInt64, "uint64", "U64"},
    {Dtype::kBool, at::kBool, "bool", "BOOL"},
};

// The row that `matches`, or null.
template <class Matches>
const DtypeNames* Find(const Matches& matches) {
  const auto found = std::find_if(std::begin(kDtypeNames), std::end(kDtypeNames), matches);
  return found == std::end(kDtypeNames) ? nullptr : found;
}

const DtypeNames& RowOf(Dtype dtype) {
  const DtypeNames* found = Find([&](const DtypeNames& row) { return row.dtype == dtype; });
  COHORT_CHECK(found != nullptr, "every dtype has its row");
  return *found;
}

}  // namespace

std::string_view NameOf(Dtype dtype) { return RowOf(dtype).name; }

std::map<std::string, Dtype> DtypesByName(std::initializer_list<Dtype> dtypes) {
  std::map<std::string, Dtype> by_name;
  for (const Dtype dtype : dtypes) by_name.emplace(NameOf(dtype), dtype);
  return by_name;
}

std::string_view SafetensorsName(Dtype dtype) { return RowOf(dtype).safetensors; }

std::optional<Dtype> DtypeOfSafetensors(std::string_view name) {
  const DtypeNames* found = Find([&](const DtypeNames& row) { return row.safetensors == name; });
  return found == nullptr ? std::nullopt : std::optional(found->dtype);
}

at::ScalarType TorchDtype(Dtype dtype) { return RowOf(dtype).torch; }

Dtype DtypeOfTorch(at::ScalarType dtype) {
  const DtypeNames* found = Find([&](const DtypeNames& row) { return row.torch == dtype; });
  COHORT_CHECK(found != nullptr,
               std::string("tensors of ") + at::toString(dtype) + " have no place in a file");
  return found->dtype;
}

int64_t BytesPerElement(Dtype dtype) {
  return static_cast<int64_t>(c10::elementSize(TorchDtype(dtype)));
}

}  // namespace cohort::policy
