// Adapters on disk, in PEFT's format.

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/bounded_json.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "policy/config/fields.h"
#include "policy/lora/lora.h"
#include "policy/lora/names.h"
#include "policy/lora/peft_experts.h"
#include "policy/tokenizer/regex_pattern.h"
#include "policy/weights/safetensors.h"

namespace cohort::policy {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr char kConfigFile[] = "adapter_config.json";
constexpr char kWeightsFile[] = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kWeight = ".weight";
constexpr int64_t kMaxRank = 1 << 16;

// A number for the modules that a pattern names: "q_proj", or a regular expression of whole names.
using Pattern = std::pair<RegexPattern, double>;

// adapter_config.json.
struct AdapterConfig {
  LoraConfig lora;
  std::vector<Pattern> ranks, alphas;  // of some modules, in place of lora's
};

// PEFT's get_pattern_key: the first pattern that matches the end of the module's or the
// parameter's name, from a dot on.
double OfModule(const std::string& module, const std::vector<Pattern>& patterns, double fallback) {
  for (const auto& [pattern, value] : patterns) {
    bool matches = false;
    for (const std::string& name : {module, module + std::string(kWeight)}) {
      pattern.ForEachMatch(name, [&](size_t, size_t) { matches = true; });
    }
    if (matches) return value;
  }
  return fallback;
}

std::vector<Pattern> Patterns(const ConfigFields& fields, const char* key, bool whole) {
  std::vector<Pattern> patterns;
  if (!fields.Has(key)) return patterns;
  if (!fields.At(key).is_object()) fields.Refuse(key, "no object", "numbers by module name");
  const ConfigFields numbers(fields.At(key), fields.file(), std::string(key) + ".");
  for (const auto& [module, value] : fields.At(key).items()) {
    const RegexPattern pattern("^(?:.*\\.)?(?:" + module + ")$");
    const double number = whole ? static_cast<double>(numbers.Int(module.c_str(), 1, kMaxRank))
                                : numbers.Positive(module.c_str());
    patterns.emplace_back(pattern, number);
  }
  return patterns;
}

void AddTargets(const ConfigFields& fields, const char* key, std::vector<std::string>* targets) {
  if (!fields.Has(key)) return;
  const json& found = fields.At(key);
  for (const json& target : found.is_array() ? found : json::array({found})) {
    if (!target.is_string()) fields.Refuse(key, "not all text", "names");
    std::string name = target.get<std::string>();
    if (name.ends_with(kWeight)) name.resize(name.size() - kWeight.size());  // a parameter's
    targets->push_back(std::move(name));
  }
}

AdapterConfig ParseAdapterConfig(const json& object, const std::string& file) {
  const ConfigFields fields(object, file);
  fields.Only("peft_type", "LORA", nullptr);
  fields.Only("bias", "none", "none");
  for (const char* key : {"fan_in_fan_out", "use_dora", "use_rslora", "lora_bias"}) {
    fields.Only(key, false, false);
  }
  for (const char* key : {"modules_to_save", "layers_to_transform", "layer_replication"}) {
    fields.OnlyAbsent(key);
  }
  AdapterConfig config;
  config.lora.rank = fields.IntOr("r", 1, kMaxRank, 8);
  config.lora.alpha = fields.PositiveOr("lora_alpha", 8);  // PEFT's own defaults
  config.ranks = Patterns(fields, "rank_pattern", /*whole=*/true);
  config.alphas = Patterns(fields, "alpha_pattern", /*whole=*/false);
  AddTargets(fields, "target_modules", &config.lora.targets);
  AddTargets(fields, "target_parameters", &config.lora.targets);
  if (config.lora.targets.empty()) fields.Refuse("target_modules", "missing", "module names");
  return config;
}

// PEFT's lora_alpha is a whole number most of the time.
json Shortest(double alpha) {
  return alpha == std::floor(alpha) ? json(static_cast<int64_t>(alpha)) : json(alpha);
}

// What the adapters belong to as PEFT's config names it, "all-linear" and the like spelled out:
// other programs may count other layers as linear.
struct PeftTargets {
  std::set<std::string> modules, parameters;
};

PeftTargets TargetsOf(const LoraAdapter& adapter, const ModelConfig& config) {
  const std::vector<std::string>& named = adapter.config.targets;
  PeftTargets targets;
  for (const auto& [name, tensor] : adapter.weights) {
    const std::string module = AdaptedModule(name);
    if (IsTakenForExperts(module, config)) {
      targets.parameters.insert(module + std::string(kWeight));
      continue;
    }
    const auto target = std::find_if(named.begin(), named.end(), [&](const std::string& end) {
      return module == end || module.ends_with("." + end);
    });
    targets.modules.insert(target == named.end() ? module.substr(module.rfind('.') + 1) : *target);
  }
  return targets;
}

// One tensor of the adapter in fp32. kUsage when it is missing or no matrix.
at::Tensor ReadMatrix(const SafetensorsFile& file, const std::string& module,
                      std::string_view half) {
  const std::string name = std::string(kPrefix) + module + std::string(half);
  const auto found = file.entries().find(name);
  if (found == file.entries().end()) {
    throw Error(ErrorCode::kUsage,
                file.path().string() + ": the adapter of " + module + " has no tensor " + name);
  }
  if (found->second.shape.size() != 2) {
    throw Error(ErrorCode::kUsage, file.path().string() + ": tensor " + name + " is no matrix");
  }
  at::Tensor values = at::empty(found->second.shape, at::kFloat);
  file.ReadInto(name, values);
  return values;
}

// The module that a tensor of the file adapts.
std::string ModuleOf(const SafetensorsFile& file, const std::string& name) {
  for (const std::string_view half : {kLoraDown, kLoraUp}) {
    if (name.starts_with(kPrefix) && name.ends_with(half)) {
      return name.substr(kPrefix.size(), name.size() - kPrefix.size() - half.size());
    }
  }
  throw Error(ErrorCode::kUsage, file.path().string() + ": tensor " + name +
                                     " is no lora_A or lora_B of a linear layer");
}

}  // namespace

void WriteLoraAdapter(const LoraAdapter& adapter, const ModelConfig& model,
                      const std::string& base_model, const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) {
    throw Error(ErrorCode::kEnvironment,
                "cannot create folder " + folder.string() + ": " + failed.message());
  }
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : adapter.weights) {
    tensors.push_back({std::string(kPrefix) + name, tensor, at::kFloat});
  }
  WriteSafetensors(folder / kWeightsFile, tensors);
  const PeftTargets targets = TargetsOf(adapter, model);
  const json config = {{"peft_type", "LORA"},
                       {"task_type", "CAUSAL_LM"},
                       {"base_model_name_or_path", base_model},
                       {"inference_mode", true},
                       {"r", adapter.config.rank},
                       {"lora_alpha", Shortest(adapter.config.alpha)},
                       {"lora_dropout", 0.0},
                       {"target_modules", targets.modules},
                       {"target_parameters", targets.parameters},
                       {"modules_to_save", nullptr},
                       {"bias", "none"},
                       {"fan_in_fan_out", false},
                       {"init_lora_weights", true},
                       {"use_rslora", false},
                       {"use_dora", false},
                       {"rank_pattern", json::object()},
                       {"alpha_pattern", json::object()}};
  base::WriteFileDurably(folder / kConfigFile, config.dump(2) + "\n");
}

LoraAdapter ReadLoraAdapter(const fs::path& folder, const ModelConfig& model) {
  const std::string config_file = (folder / kConfigFile).string();
  const json object = base::ReadBoundedJsonObject(config_file);
  const AdapterConfig config = ParseAdapterConfig(object, config_file);
  LoraAdapter adapter{config.lora, {}};
  const SafetensorsFile file(folder / kWeightsFile);
  std::set<std::string> modules;
  for (const auto& [name, entry] : file.entries()) modules.insert(ModuleOf(file, name));
  for (const std::string& module : modules) {
    const at::Tensor a = ReadMatrix(file, module, kLoraDown), b = ReadMatrix(file, module, kLoraUp);
    const std::string parameter = AdaptedParameter(module, a, b, model);
    const double rank = OfModule(parameter, config.ranks, static_cast<double>(config.lora.rank));
    const double alpha = OfModule(parameter, config.alphas, config.lora.alpha);
    const int64_t pairs = parameter == module ? 1 : model.moe.num_experts;
    const int64_t rows = static_cast<int64_t>(rank) * pairs;
    if (a.size(0) != rows || b.size(1) != rows) {
      throw Error(ErrorCode::kUsage, file.path().string() + ": the adapter of " + module +
                                         " has another rank than " + std::to_string(rows) + ", " +
                                         config_file + "'s");
    }
    b.mul_(alpha / rank / config.lora.scale());  // one scale for all adapters
    adapter.weights.merge(AdaptersByName(parameter, a, b, model));
  }
  return adapter;
}

}  // namespace cohort::policy
