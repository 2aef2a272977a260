// Typed look-ups in a GGUF file's metadata.

#include "policy/gguf/file.h"

namespace cohort::policy {

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
  return found->second.get<double>();
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
