// Adapters on disk, in PEFT's format.

#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/bounded_json.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "policy/config_fields.h"
#include "policy/lora.h"
#include "policy/safetensors.h"

namespace cohort::policy {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr char kConfigFile[] = "adapter_config.json";
constexpr char kWeightsFile[] = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kDown = ".lora_A.weight", kUp = ".lora_B.weight";
constexpr int64_t kMaxRank = 1 << 16;

LoraConfig ParseAdapterConfig(const json& object, const std::string& file) {
  const ConfigFields fields(object, file);
  fields.Only("peft_type", "LORA", nullptr);
  fields.Only("bias", "none", "none");
  for (const char* key : {"fan_in_fan_out", "use_dora", "use_rslora", "lora_bias"}) {
    fields.Only(key, false, false);
  }
  for (const char* key : {"rank_pattern", "alpha_pattern", "modules_to_save", "layers_to_transform",
                          "layer_replication", "target_parameters"}) {
    fields.OnlyAbsent(key);
  }
  LoraConfig config;
  config.rank = fields.IntOr("r", 1, kMaxRank, 8);
  config.alpha = fields.PositiveOr("lora_alpha", 8);  // PEFT's own defaults
  if (!fields.Has("target_modules")) fields.Refuse("target_modules", "missing", "module names");
  const json& targets = fields.At("target_modules");
  for (const json& target : targets.is_array() ? targets : json::array({targets})) {
    if (!target.is_string()) fields.Refuse("target_modules", "not all text", "module names");
    config.targets.push_back(target.get<std::string>());
  }
  return config;
}

// PEFT's lora_alpha is a whole number most of the time.
json Shortest(double alpha) {
  return alpha == std::floor(alpha) ? json(static_cast<int64_t>(alpha)) : json(alpha);
}

// "all-linear" as the names that it stood for: other programs may count other layers as linear.
std::set<std::string> TargetModules(const LoraAdapter& adapter) {
  std::set<std::string> targets;
  for (const std::string& target : adapter.config.targets) {
    if (target != kAllLinear) targets.insert(target);
  }
  if (targets.size() == adapter.config.targets.size()) return targets;
  for (const auto& [name, tensor] : adapter.weights) {
    const std::string module = name.substr(0, name.rfind(".lora_"));
    targets.insert(module.substr(module.rfind('.') + 1));
  }
  return targets;
}

}  // namespace

void WriteLoraAdapter(const LoraAdapter& adapter, const std::string& base_model,
                      const fs::path& folder) {
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
  const json config = {{"peft_type", "LORA"},
                       {"task_type", "CAUSAL_LM"},
                       {"base_model_name_or_path", base_model},
                       {"inference_mode", true},
                       {"r", adapter.config.rank},
                       {"lora_alpha", Shortest(adapter.config.alpha)},
                       {"lora_dropout", 0.0},
                       {"target_modules", TargetModules(adapter)},
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

LoraAdapter ReadLoraAdapter(const fs::path& folder) {
  const std::string config_file = (folder / kConfigFile).string();
  const json object = base::ReadBoundedJsonObject(config_file);
  LoraAdapter adapter{ParseAdapterConfig(object, config_file), {}};
  const SafetensorsFile file(folder / kWeightsFile);
  for (const auto& [name, entry] : file.entries()) {
    const bool adapts = name.ends_with(kDown) || name.ends_with(kUp);
    const size_t rank_at = name.ends_with(kUp) ? 1 : 0;
    if (!name.starts_with(kPrefix) || !adapts || entry.shape.size() != 2 ||
        entry.shape[rank_at] != adapter.config.rank) {
      throw Error(ErrorCode::kUsage, file.path().string() + ": tensor " + name +
                                         " is no lora_A or lora_B of a linear layer with rank " +
                                         std::to_string(adapter.config.rank));
    }
    const at::Tensor values = at::empty(entry.shape, at::kFloat);
    file.ReadInto(name, values);
    adapter.weights[name.substr(kPrefix.size())] = values;
  }
  return adapter;
}

}  // namespace cohort::policy
