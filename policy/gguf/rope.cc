#include "policy/gguf/rope.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "policy/config/config.h"
#include "policy/config/rope_frequencies.h"

namespace cohort::policy {
namespace {

using nlohmann::json;

constexpr char kFactorsName[] = "rope_freqs.weight";
constexpr char kShortName[] = "rope_factors_short.weight", kLongName[] = "rope_factors_long.weight";
constexpr double kLowFreqFactor = 1.0, kHighFreqFactor = 4.0;  // of every Llama 3
constexpr int64_t kLlama3Context = 8192;
constexpr double kMaxContext = 1e12, kMaxFactor = 1e6;

RopeConfig Llama3(double base, double factor, int64_t context) {
  RopeConfig rope;
  rope.kind = RopeKind::kLlama3;
  rope.base = base;
  rope.factor = factor;
  rope.original_max_positions = context;
  rope.low_freq_factor = kLowFreqFactor;
  rope.high_freq_factor = kHighFreqFactor;
  return rope;
}

// The context before scaling. A frequency on the smooth passage tells it:
// 1 / divisor = (1 - s) / factor + s with s = (context / wavelength - low) / (high - low). Without
// one it is 8192 where that fits, else the power of two next above what the divided frequencies
// leave open; all such contexts compute the same.
int64_t ContextOf(double base, double factor, const std::vector<float>& divisors) {
  double undivided = 0, divided = std::numeric_limits<double>::infinity();  // wavelengths
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double exponent = static_cast<double>(i) / static_cast<double>(divisors.size());
    const double wavelength = 2 * std::numbers::pi * std::pow(base, exponent);
    if (divisors[i] <= 1.001) {
      undivided = std::max(undivided, wavelength);
    } else if (divisors[i] >= 0.999 * factor) {
      divided = std::min(divided, wavelength);
    } else {
      const double s = (1 / divisors[i] - 1 / factor) / (1 - 1 / factor);
      const double context = wavelength * (kLowFreqFactor + s * (kHighFreqFactor - kLowFreqFactor));
      return std::llround(std::min(context, kMaxContext));
    }
  }
  const double least = undivided * kHighFreqFactor;
  const auto usual = static_cast<double>(kLlama3Context);
  if (usual >= least && usual <= divided * kLowFreqFactor) return kLlama3Context;
  return static_cast<int64_t>(
      std::bit_ceil(static_cast<uint64_t>(std::min(least, kMaxContext)) + 1));
}

bool Gives(const RopeConfig& scaled, const std::vector<float>& divisors) {
  RopeConfig plain;
  plain.base = scaled.base;
  const auto head_dim = static_cast<int64_t>(2 * divisors.size());
  const RopeFrequencies from = ComputeRopeFrequencies(plain, head_dim);
  const RopeFrequencies to = ComputeRopeFrequencies(scaled, head_dim);
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double expected = static_cast<double>(from.inverse[i]) / to.inverse[i];
    if (!(std::abs(divisors[i] / expected - 1) < 1e-4)) return false;
  }
  return true;
}

const GgufTensor* FindTensor(const GgufFile& file, const std::string& name) {
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

std::vector<float> ReadFactors(const GgufFile& file, const GgufTensor& tensor, int64_t head_dim) {
  if (tensor.elements != head_dim / 2) {
    file.Refuse("tensor '" + tensor.name + "' has " + std::to_string(tensor.elements) +
                " values; expected one for each of " + std::to_string(head_dim / 2) +
                " frequencies");
  }
  std::vector<float> factors(static_cast<size_t>(tensor.elements));
  file.Read(tensor, factors);
  return factors;
}

json Llama3Scaling(const GgufFile& file, const GgufTensor& tensor, double base, int64_t head_dim) {
  const std::vector<float> divisors = ReadFactors(file, tensor, head_dim);
  double factor = *std::max_element(divisors.begin(), divisors.end());
  if (std::abs(std::round(factor) / factor - 1) < 1e-5) factor = std::round(factor);  // it is fp32
  const bool sane = std::all_of(divisors.begin(), divisors.end(), [](float divisor) {
    return divisor > 0.999 && divisor < kMaxFactor;
  });
  const int64_t context = sane ? ContextOf(base, factor, divisors) : 0;
  if (context < 1 || !Gives(Llama3(base, factor, context), divisors)) {
    file.Refuse(std::string("tensor '") + kFactorsName + "' does not scale positions as Llama 3",
                "use the model's Hugging Face folder");
  }
  return {{"rope_type", "llama3"},
          {"factor", factor},
          {"low_freq_factor", kLowFreqFactor},
          {"high_freq_factor", kHighFreqFactor},
          {"original_max_position_embeddings", context}};
}

json LongScaling(const GgufFile& file, const std::string& architecture, int64_t head_dim) {
  json scaling = {{"rope_type", "longrope"}};
  for (const auto& [name, key] :
       {std::pair(kShortName, "short_factor"), {kLongName, "long_factor"}}) {
    const GgufTensor* tensor = FindTensor(file, name);
    if (tensor == nullptr) file.Refuse(std::string("tensor '") + name + "' is missing");
    scaling[key] = json::array();
    for (const float factor : ReadFactors(file, *tensor, head_dim)) {
      scaling[key].push_back(ShortestDecimal(factor));
    }
  }
  const std::string prefix = architecture + ".rope.scaling.";
  const int64_t original = file.Integer(prefix + "original_context_length");
  scaling["original_max_position_embeddings"] = original;
  // Stated where it is not what follows from the contexts.
  const auto context = static_cast<double>(file.Integer(architecture + ".context_length"));
  const double usual = context > static_cast<double>(original) && original > 1
                           ? std::sqrt(1 + std::log(context / static_cast<double>(original)) /
                                               std::log(static_cast<double>(original)))
                           : 1.0;
  const double stated = file.Number(prefix + "attn_factor", usual);
  if (std::abs(stated / usual - 1) > 1e-6) scaling["attention_factor"] = stated;
  return scaling;
}

json YarnScaling(const GgufFile& file, const std::string& architecture) {
  const std::string prefix = architecture + ".rope.scaling.";
  json scaling = {
      {"rope_type", "yarn"},
      {"factor", file.Number(prefix + "factor")},
      {"original_max_position_embeddings", file.Integer(prefix + "original_context_length")}};
  for (const auto& [name, key] : {std::pair("yarn_beta_fast", "beta_fast"),
                                  {"yarn_beta_slow", "beta_slow"},
                                  {"yarn_attn_factor", "attention_factor"}}) {
    if (file.Has(prefix + name)) scaling[key] = file.Number(prefix + name);
  }
  // Of gpt-oss the ends of the ramp are not whole channels, which no key says.
  if (architecture == "gpt-oss") scaling["truncate"] = false;
  if (architecture.starts_with("deepseek") && file.Has(prefix + "yarn_log_multiplier")) {
    // 0.1 mscale_all_dim, in fp32. mscale is not in the file: DeepSeek's models have both equal.
    const double mscale = std::round(1e6 * file.Number(prefix + "yarn_log_multiplier")) / 1e5;
    scaling["mscale"] = scaling["mscale_all_dim"] = mscale;
    return scaling;
  }
  for (const char* name : {"attn_factor", "yarn_ext_factor", "yarn_log_multiplier"}) {
    if (file.Has(prefix + name)) file.Refuse(prefix + name + " is not supported");
  }
  return scaling;
}

}  // namespace

bool IsGgufRopeTensor(const std::string& name) {
  return name == kFactorsName || name == kShortName || name == kLongName;
}

json GgufRopeScaling(const GgufFile& file, const std::string& architecture, int64_t head_dim) {
  const std::string prefix = architecture + ".rope.scaling.";
  const std::string type = file.String(prefix + "type", "none");
  if (const GgufTensor* factors = FindTensor(file, kFactorsName)) {
    if (type != "none") file.Refuse(prefix + "type '" + type + "' besides " + kFactorsName);
    const double base = file.Number(architecture + ".rope.freq_base", 10000.0);
    return Llama3Scaling(file, *factors, base, head_dim);
  }
  const bool has_lists =
      FindTensor(file, kShortName) != nullptr || FindTensor(file, kLongName) != nullptr;
  if (has_lists || type == "longrope") {
    if (type != "none" && type != "longrope") {
      file.Refuse(prefix + "type '" + type + "' besides " + kShortName);
    }
    return LongScaling(file, architecture, head_dim);
  }
  if (type == "none") return nullptr;
  if (type == "yarn") return YarnScaling(file, architecture);
  if (type == "linear") {
    return {{"rope_type", "linear"}, {"factor", file.Number(prefix + "factor")}};
  }
  file.Refuse(prefix + "type '" + type + "' is not supported",
              "supported: none, linear, yarn, longrope");
}

}  // namespace cohort::policy
