#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cohort::policy {

// The bytes of a GGUF file, version 3: its header and metadata.
class GgufBytes {
 public:
  GgufBytes& Text(const std::string& key, const std::string& value) {
    Key(key, kString);
    Put(value);
    return *this;
  }
  GgufBytes& Bool(const std::string& key, bool value) {
    Key(key, kBool);
    Put(static_cast<uint8_t>(value));
    return *this;
  }
  GgufBytes& Integer(const std::string& key, uint32_t value) {
    Key(key, kUint32);
    Put(value);
    return *this;
  }
  GgufBytes& Number(const std::string& key, float value) {
    Key(key, kFloat32);
    Put(value);
    return *this;
  }
  GgufBytes& Texts(const std::string& key, const std::vector<std::string>& values) {
    return List(key, kString, values);
  }
  GgufBytes& Floats(const std::string& key, const std::vector<float>& values) {
    return List(key, kFloat32, values);
  }
  GgufBytes& Integers(const std::string& key, const std::vector<int32_t>& values) {
    return List(key, kInt32, values);
  }
  GgufBytes& Bools(const std::string& key, const std::vector<uint8_t>& values) {
    return List(key, kBool, values);
  }

  // Lists inside each other, the innermost empty.
  GgufBytes& Nested(const std::string& key, int depth) {
    Key(key, kArray);
    for (; depth > 1; --depth) {
      Put(kArray);
      Put(uint64_t{1});
    }
    Put(kUint32);
    Put(uint64_t{0});
    return *this;
  }

  std::string str(uint64_t tensors = 0) const {
    GgufBytes header;
    header.bytes_ = "GGUF";
    header.Put(uint32_t{3});
    header.Put(tensors);
    header.Put(pairs_);
    return header.bytes_ + bytes_;
  }

 private:
  static constexpr uint32_t kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8,
                            kArray = 9;

  template <typename T>
  void Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  void Put(const std::string& text) {
    Put(uint64_t{text.size()});
    bytes_ += text;
  }
  void Key(const std::string& key, uint32_t type) {
    ++pairs_;
    Put(key);
    Put(type);
  }
  template <typename T>
  GgufBytes& List(const std::string& key, uint32_t type, const std::vector<T>& values) {
    Key(key, kArray);
    Put(type);
    Put(uint64_t{values.size()});
    for (const T& value : values) Put(value);
    return *this;
  }

  std::string bytes_;
  uint64_t pairs_ = 0;
};

}  // namespace cohort::policy
