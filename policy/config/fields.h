#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace cohort::policy {

// Bounds that keep every product of sizes inside int64 and every allocation thinkable.
constexpr int64_t kMaxSize = int64_t{1} << 24;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxWidth = int64_t{1} << 17;
constexpr int64_t kMaxHeads = 4096;
constexpr int64_t kMaxHeadDim = 4096;
constexpr int64_t kMaxExperts = 4096;                   // of one layer
constexpr int64_t kMaxExpertsInAll = int64_t{1} << 18;  // of all layers, each with names of its own

// Typed access to one JSON object of config.json; every error (kUsage) names the file and the
// field. null counts as absent.
class ConfigFields {
 public:
  // `object` outlives this. `prefix` stands before the names in errors ("rope_parameters.").
  ConfigFields(const nlohmann::json& object, std::string file, std::string prefix = "")
      : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {}

  bool Has(const char* key) const { return object_.contains(key) && !object_.at(key).is_null(); }
  bool IsNull(const char* key) const { return object_.contains(key) && object_.at(key).is_null(); }
  const nlohmann::json& At(const char* key) const { return object_.at(key); }
  const nlohmann::json& object() const { return object_; }
  const std::string& file() const { return file_; }
  const std::string& prefix() const { return prefix_; }

  [[noreturn]] void Refuse(const std::string& key, const std::string& found,
                           const std::string& expected) const;

  int64_t Int(const char* key, int64_t low, int64_t high) const;
  int64_t IntOr(const char* key, int64_t low, int64_t high, int64_t fallback) const {
    return Has(key) ? Int(key, low, high) : fallback;
  }
  // One field has two names: the one that is there, `name` where both are or neither is.
  const char* NameOf(const char* name, const char* other) const {
    return Has(name) || !Has(other) ? name : other;
  }

  double Positive(const char* key) const;
  double PositiveOr(const char* key, double fallback) const {
    return Has(key) ? Positive(key) : fallback;
  }
  bool BoolOr(const char* key, bool fallback) const;

  // For a field of which only one value is implemented; absent means `absent`.
  void Only(const char* key, const nlohmann::json& supported, const nlohmann::json& absent) const;
  void OnlyAbsent(const char* key) const;

 private:
  const nlohmann::json& object_;
  std::string file_;
  std::string prefix_;
};

}  // namespace cohort::policy
