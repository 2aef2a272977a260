#pragma once

// Named tensors in one file, in the safetensors layout: u64 length, JSON header, raw little-endian
// data.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace cohort::rl {

// Writes durably; returns the checksum of the file. Any dtype that safetensors names; tensors on a
// device are copied one at a time. Errors: kEnvironment naming the path and the system's reason.
uint64_t WriteTensorFile(const std::filesystem::path& path,
                         const std::map<std::string, at::Tensor>& tensors);

// Of `bytes`, a whole file whose checksum the caller has compared: the tensors lie in it, no second
// copy. Errors: kUsage naming `origin` and the tensor whose description does not fit.
std::map<std::string, at::Tensor> ReadTensors(std::string bytes, const std::string& origin);

}  // namespace cohort::rl
