#include "policy/gguf/file.h"

#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>

#include "base/error.h"

namespace cohort::policy {
namespace {

constexpr uint64_t kMaxName = 65535;        // bytes in a key or a tensor's name
constexpr uint64_t kMaxArray = 16'777'216;  // elements of all arrays together
constexpr int kMaxArrayDepth = 4;
constexpr uint32_t kString = 8, kArray = 9;  // value types of the format

std::ifstream Open(const std::filesystem::path& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path)) {
    throw Error(ErrorCode::kEnvironment,
                "cannot read " + path.string() + ": " + std::strerror(errno != 0 ? errno : EISDIR));
  }
  return in;
}

}  // namespace

double ShortestDecimal(float value) {
  std::array<char, 64> text;
  const auto [end, failed] = std::to_chars(text.begin(), text.end(), value);
  double decimal = static_cast<double>(value);
  if (std::isfinite(value) && failed == std::errc()) std::from_chars(text.begin(), end, decimal);
  return decimal;
}

// Reads forwards and knows how many bytes are left.
class GgufFile::Reader {
 public:
  Reader(const GgufFile& file) : file_(file), in_(Open(file.path_)) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return file_.size_ - position_; }

  [[noreturn]] void Refuse(const std::string& what) const {
    file_.Refuse("at byte " + std::to_string(position_) + ": " + what,
                 "the file may be cut short or damaged; fetch it again");
  }

  void Bytes(void* out, uint64_t count, const char* what) {
    if (count > left()) {
      Refuse(std::string("expected ") + std::to_string(count) + " bytes of " + what +
             ", but only " + std::to_string(left()) + " are left");
    }
    in_.read(static_cast<char*>(out), static_cast<std::streamsize>(count));
    if (!in_) Refuse(std::string("reading ") + what + " failed");
    position_ += count;
  }

  template <typename T>
  T Value(const char* what) {
    T value;
    Bytes(&value, sizeof(T), what);
    return value;
  }

  std::string String(const char* what, uint64_t limit) {
    const uint64_t length = Value<uint64_t>(what);
    if (length > limit || length > left()) {
      Refuse(std::string("the length of ") + what + " is " + std::to_string(length) +
             ", more than can be");
    }
    std::string text(length, '\0');
    Bytes(text.data(), length, what);
    return text;
  }

  nlohmann::json TypedValue(uint32_t type, int depth) {
    constexpr char kWhat[] = "a metadata value";
    switch (type) {
      case 0:
        return Value<uint8_t>(kWhat);
      case 1:
        return Value<int8_t>(kWhat);
      case 2:
        return Value<uint16_t>(kWhat);
      case 3:
        return Value<int16_t>(kWhat);
      case 4:
        return Value<uint32_t>(kWhat);
      case 5:
        return Value<int32_t>(kWhat);
      case 6:
        return Value<float>(kWhat);
      case 7:
        return Value<uint8_t>(kWhat) != 0;
      case kString:
        return String("a metadata string", left());
      case kArray:
        return Array(depth);
      case 10:
        return Value<uint64_t>(kWhat);
      case 11:
        return Value<int64_t>(kWhat);
      case 12:
        return Value<double>(kWhat);
      default:
        Refuse("unknown metadata type " + std::to_string(type));
    }
  }

 private:
  nlohmann::json Array(int depth) {
    if (depth >= kMaxArrayDepth) Refuse("metadata arrays are nested too deeply");
    const uint32_t type = Value<uint32_t>("an array's type");
    const uint64_t count = Value<uint64_t>("an array's length");
    // The smallest element takes one byte, so `left` bounds any honest count.
    if (count > left() || count > kMaxArray - array_elements_) {
      Refuse("an array claims " + std::to_string(count) + " elements, more than can be");
    }
    array_elements_ += count;
    nlohmann::json array = nlohmann::json::array();
    for (uint64_t i = 0; i < count; ++i) array.push_back(TypedValue(type, depth + 1));
    return array;
  }

  const GgufFile& file_;
  std::ifstream in_;
  uint64_t position_ = 0;
  uint64_t array_elements_ = 0;
};

GgufFile::GgufFile(std::filesystem::path path) : path_(std::move(path)) {
  Open(path_);  // reports a missing file before its size is asked for
  size_ = std::filesystem::file_size(path_);
  Reader reader(*this);
  char magic[4];
  reader.Bytes(magic, 4, "the magic 'GGUF'");
  if (std::memcmp(magic, "GGUF", 4) != 0)
    Refuse("this is no GGUF file: it does not start with 'GGUF'");
  const uint32_t version = reader.Value<uint32_t>("the version");
  if (version != 2 && version != 3) {
    Refuse("GGUF version " + std::to_string(version) + " is not supported",
           "versions 2 and 3 (little-endian) are");
  }
  const uint64_t tensor_count = reader.Value<uint64_t>("the tensor count");
  const uint64_t pair_count = reader.Value<uint64_t>("the metadata count");
  for (uint64_t i = 0; i < pair_count; ++i) {
    std::string key = reader.String("a metadata key", kMaxName);
    const uint32_t type = reader.Value<uint32_t>("a metadata type");
    nlohmann::json value = reader.TypedValue(type, 0);
    if (!metadata_.emplace(key, std::move(value)).second) {
      reader.Refuse("metadata key '" + key + "' appears twice");
    }
  }
  ReadTensorTable(&reader, tensor_count);
}

void GgufFile::ReadTensorTable(Reader* reader, uint64_t count) {
  std::set<std::string> names;
  for (uint64_t i = 0; i < count; ++i) {
    tensors_.push_back(ReadTensorEntry(reader));
    if (!names.insert(tensors_.back().name).second) {
      reader->Refuse("tensor '" + tensors_.back().name + "' appears twice");
    }
  }
  const int64_t alignment = Integer("general.alignment", 32);
  if (alignment < 1 || alignment > (1 << 20) ||
      !std::has_single_bit(static_cast<uint64_t>(alignment))) {
    Refuse("general.alignment is " + std::to_string(alignment) + "; expected a power of two");
  }
  const uint64_t unit = static_cast<uint64_t>(alignment);
  PlaceTensors((reader->position() + unit - 1) / unit * unit, unit);
}

GgufTensor GgufFile::ReadTensorEntry(Reader* reader) {
  GgufTensor tensor;
  tensor.name = reader->String("a tensor's name", kMaxName);
  const std::string who = "tensor '" + tensor.name + "' ";
  const uint32_t dimensions = reader->Value<uint32_t>("a tensor's number of dimensions");
  if (dimensions < 1 || dimensions > 4) {
    reader->Refuse(who + "has " + std::to_string(dimensions) + " dimensions; expected 1 to 4");
  }
  tensor.elements = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const uint64_t size = reader->Value<uint64_t>("a tensor's shape");
    // No format spends less than 4 bits on an element.
    if (size < 1 || size > 2 * size_ / static_cast<uint64_t>(tensor.elements)) {
      reader->Refuse(who + "has a dimension of " + std::to_string(size) +
                     ", more than the file can hold");
    }
    tensor.elements *= static_cast<int64_t>(size);
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
  }
  const uint32_t type = reader->Value<uint32_t>("a tensor's type");
  tensor.offset = reader->Value<uint64_t>("a tensor's offset");
  const std::optional<GgufBlock> block = BlockOf(type);
  if (!block.has_value()) {
    Refuse(who + "has format " + GgufTypeName(type) + ", which is not supported",
           "supported: F32, F16, BF16, Q8_0, Q4_0, Q4_1");
  }
  if (tensor.shape.back() % block->elements != 0) {
    reader->Refuse(who + "has rows of " + std::to_string(tensor.shape.back()) +
                   " elements, which are no whole blocks of " + GgufTypeName(type));
  }
  tensor.type = static_cast<GgufType>(type);
  tensor.bytes = static_cast<uint64_t>(tensor.elements / block->elements * block->bytes);
  return tensor;
}

void GgufFile::PlaceTensors(uint64_t data_begin, uint64_t alignment) {
  for (GgufTensor& tensor : tensors_) {
    const std::string who = "tensor '" + tensor.name + "' ";
    if (tensor.offset % alignment != 0) {
      Refuse(who + "begins at " + std::to_string(tensor.offset) + ", which is not a multiple of " +
             std::to_string(alignment));
    }
    if (data_begin > size_ || tensor.offset > size_ - data_begin ||
        tensor.bytes > size_ - data_begin - tensor.offset) {
      Refuse(who + "needs " + std::to_string(tensor.bytes) + " bytes at offset " +
                 std::to_string(tensor.offset) + " of the data, which begins at byte " +
                 std::to_string(data_begin) + "; the file has " + std::to_string(size_) + " bytes",
             "the file is cut short; fetch it again");
    }
    tensor.offset += data_begin;
  }
}

void GgufFile::Read(const GgufTensor& tensor, std::span<float> out) const {
  std::ifstream in = Open(path_);
  in.seekg(static_cast<std::streamoff>(tensor.offset));
  std::vector<uint8_t> blocks(tensor.bytes);
  in.read(reinterpret_cast<char*>(blocks.data()), static_cast<std::streamsize>(blocks.size()));
  if (!in) Refuse("tensor '" + tensor.name + "' could not be read; did the file change?");
  Dequantize(tensor.type, blocks, out);
}

void GgufFile::Refuse(const std::string& what, const std::string& hint) const {
  throw Error(ErrorCode::kUsage, path_.string() + ": " + what, hint);
}

std::string GgufFile::String(const std::string& key) const {
  if (!Has(key)) Refuse("metadata key '" + key + "' is missing; expected a string");
  return String(key, "");
}

std::string GgufFile::String(const std::string& key, const std::string& missing) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return missing;
  if (!found->second.is_string()) Refuse("metadata key '" + key + "' is no string");
  return found->second.get<std::string>();
}

int64_t GgufFile::Integer(const std::string& key) const {
  if (!Has(key)) Refuse("metadata key '" + key + "' is missing; expected an integer");
  return Integer(key, 0);
}

int64_t GgufFile::Integer(const std::string& key, int64_t missing) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return missing;
  if (!found->second.is_number_integer()) Refuse("metadata key '" + key + "' is no integer");
  if (found->second.is_number_unsigned() && found->second.get<uint64_t>() > INT64_MAX) {
    Refuse("metadata key '" + key + "' is " + found->second.dump() + ", which is too large");
  }
  return found->second.get<int64_t>();
}

double GgufFile::Number(const std::string& key) const {
  if (!Has(key)) Refuse("metadata key '" + key + "' is missing; expected a number");
  return Number(key, 0.0);
}

double GgufFile::Number(const std::string& key, double missing) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return missing;
  if (!found->second.is_number()) Refuse("metadata key '" + key + "' is no number");
  const auto value = found->second.get<double>();
  const bool fits = std::abs(value) <= std::numeric_limits<float>::max();
  const float narrow = fits ? static_cast<float>(value) : 0.0F;
  return fits && static_cast<double>(narrow) == value ? ShortestDecimal(narrow) : value;
}

bool GgufFile::Bool(const std::string& key, bool missing) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return missing;
  if (!found->second.is_boolean()) Refuse("metadata key '" + key + "' is no true or false");
  return found->second.get<bool>();
}

int64_t GgufFile::InRange(const std::string& what, int64_t value, int64_t low, int64_t high) const {
  if (value < low || value > high) {
    Refuse(what + " is " + std::to_string(value) + "; expected " + std::to_string(low) + " to " +
           std::to_string(high));
  }
  return value;
}

}  // namespace cohort::policy
