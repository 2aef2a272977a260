#pragma once

// The container: header, metadata and tensor table of a GGUF file, versions 2 and 3
// (github.com/ggml-org/ggml, docs/gguf.md), checked against the file's real size.

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policy/gguf/dequantize.h"

namespace cohort::policy {

// The decimal of fewest digits whose fp32 is `value`: what was written before it became fp32.
double ShortestDecimal(float value);

struct GgufTensor {
  std::string name;
  std::vector<int64_t> shape;  // rows first (the file lists the fastest dimension first)
  GgufType type;
  uint64_t offset;  // from the start of the file
  uint64_t bytes;
  int64_t elements;
};

// Immutable; reading tensors opens the file anew and is safe from several threads.
class GgufFile {
 public:
  // kEnvironment for a file that cannot be read, kUsage naming the byte where it makes no sense.
  explicit GgufFile(std::filesystem::path path);

  const std::map<std::string, nlohmann::json>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  std::string source() const { return path_.string(); }

  // Typed metadata; numbers that are fp32 as their shortest decimals. kUsage naming the key when it
  // has another type, or is missing and has no default.
  std::string String(const std::string& key) const;
  std::string String(const std::string& key, const std::string& missing) const;
  int64_t Integer(const std::string& key) const;
  int64_t Integer(const std::string& key, int64_t missing) const;
  double Number(const std::string& key) const;
  double Number(const std::string& key, double missing) const;
  bool Bool(const std::string& key, bool missing) const;
  bool Has(const std::string& key) const { return metadata_.contains(key); }

  // `value`, of what `what` names; kUsage when it is outside [low, high].
  int64_t InRange(const std::string& what, int64_t value, int64_t low, int64_t high) const;

  // fp32 values of a tensor.
  void Read(const GgufTensor& tensor, std::span<float> out) const;

  [[noreturn]] void Refuse(const std::string& what, const std::string& hint = "") const;

 private:
  class Reader;
  void ReadTensorTable(Reader* reader, uint64_t count);
  GgufTensor ReadTensorEntry(Reader* reader);
  void PlaceTensors(uint64_t data_begin, uint64_t alignment);

  std::filesystem::path path_;
  uint64_t size_ = 0;
  std::map<std::string, nlohmann::json> metadata_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace cohort::policy
