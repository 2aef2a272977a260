#include "policy/lora/peft.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/bounded_json.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "policy/config/family.h"
#include "policy/config/fields.h"
#include "policy/lora/merge.h"
#include "policy/tokenizer/regex_pattern.h"
#include "policy/weights/safetensors.h"
#include "policy/weights/stored_tensors.h"

namespace cohort::policy {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr char kConfigFile[] = "adapter_config.json";
constexpr char kWeightsFile[] = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kWeight = ".weight";
constexpr int64_t kMaxRank = 1 << 16;

constexpr std::string_view kExperts = ".experts", kWrappedFirst = ".experts.base_layer";
constexpr std::string_view kGateUpProj = ".gate_up_proj", kDownProj = ".down_proj";

// True where PEFT knows the experts by their two parameters alone, the rows of gate and up in turn.
bool HasInterleavedExperts(const ModelConfig& config) {
  return IsInterleaved(config, "model.layers.0.mlp.experts.gate_up_proj");
}

bool IsOfAllExperts(const std::string& module) {
  return module.ends_with(std::string(kExperts) + std::string(kGateUpProj)) ||
         module.ends_with(std::string(kExperts) + std::string(kDownProj));
}

const FolderNames& NamesOf(const ModelConfig& config) {
  return FindFamily(config.family, "the model's config").names;
}

bool IsOfOneExpert(const std::string& module) {
  return module.find(std::string(kExperts) + ".") != std::string::npos;
}

void AddPair(const std::string& weight_name, const at::Tensor& a, const at::Tensor& b,
             WeightMap* out) {
  const std::string module = weight_name.substr(0, weight_name.size() - kWeight.size());
  (*out)[module + std::string(kLoraDown)] = a;
  (*out)[module + std::string(kLoraUp)] = b;
}

// The parameter that an adapter of the routed experts belongs to, "...mlp.experts.down_proj"; any
// other `module` unchanged. kUsage where A and B fit neither of a layer's parameters.
std::string AdaptedParameter(const std::string& module, const at::Tensor& a, const at::Tensor& b,
                             const ModelConfig& config) {
  const bool first = module.ends_with(kWrappedFirst);
  if (!first && !module.ends_with(kExperts)) return module;
  const std::string experts =
      first ? module.substr(0, module.size() - kWrappedFirst.size() + kExperts.size()) : module;
  const int64_t d = config.width, m = config.moe.expert_width;
  const int64_t in = a.size(1), out = b.size(0);
  if (in == d && out == 2 * m) return experts + std::string(kGateUpProj);
  if (in == m && out == d) return experts + std::string(kDownProj);
  throw Error(ErrorCode::kUsage,
              "the adapter of " + module + " maps " + std::to_string(in) + " to " +
                  std::to_string(out) + " values; the experts of this model map " +
                  std::to_string(d) + " to " + std::to_string(2 * m) + " (gate_up_proj) and " +
                  std::to_string(m) + " to " + std::to_string(d) + " (down_proj)");
}

// The adapters `module`.lora_A.weight and .lora_B.weight under the names of policy/lora/merge.h:
// those of a layer's experts as one pair for each projection of each expert, views. `module` is
// what AdaptedParameter gave.
WeightMap AdaptersByName(const std::string& module, const at::Tensor& a, const at::Tensor& b,
                         const ModelConfig& config) {
  WeightMap out;
  if (!IsOfAllExperts(module)) {
    const std::string name = module + std::string(kWeight);
    AddPair(IsOfOneExpert(module) ? name : LinearLayers(config, name, b).front().name, a, b, &out);
    return out;
  }
  const int64_t experts = config.moe.num_experts;
  const at::Tensor a_ERI = a.view({experts, -1, a.size(1)});
  at::Tensor b_EOR = b.view({b.size(0), -1, experts}).permute({2, 0, 1});
  if (HasInterleavedExperts(config) && module.ends_with(kGateUpProj)) {
    b_EOR = b_EOR.unflatten(1, {-1, 2}).transpose(1, 2).flatten(1, 2);  // gates before ups
  }
  for (int64_t e = 0; e < experts; ++e) {
    for (const StoredTensor& part : ExpertLayers(config, module, e, b_EOR[e])) {
      AddPair(part.name, a_ERI[e], part.part, &out);
    }
  }
  return out;
}

// True when PEFT would take `module` in `target_modules` for the routed experts' projection of that
// name: then it goes to `target_parameters` (_convert_peft_config_moe in
// peft/utils/transformers_weight_conversion.py).
bool IsTakenForExperts(const std::string& module, const ModelConfig& config) {
  if (config.moe.num_experts == 0 || IsOfOneExpert(module)) return false;
  const FolderNames& names = NamesOf(config);
  if (!names.peft_renames_experts) return false;
  const std::string leaf = module.substr(module.rfind('.') + 1);
  return leaf == names.gate || leaf == names.up || leaf == names.down;
}

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

double DropoutOf(const ConfigFields& fields) {
  constexpr char kKey[] = "lora_dropout";
  if (!fields.Has(kKey)) return 0;
  const json& value = fields.At(kKey);
  const bool share = value.is_number() && value.get<double>() >= 0 && value.get<double>() < 1;
  if (!share) fields.Refuse(kKey, value.dump(), "a number from 0 to below 1");
  return value.get<double>();
}

AdapterConfig ParseAdapterConfig(const json& object, const std::string& file) {
  const ConfigFields fields(object, file);
  fields.Only("peft_type", "LORA", nullptr);
  fields.Only("bias", "none", "none");
  for (const char* key : {"fan_in_fan_out", "use_dora", "lora_bias"}) {
    fields.Only(key, false, false);
  }
  for (const char* key : {"modules_to_save", "layers_to_transform", "layer_replication"}) {
    fields.OnlyAbsent(key);
  }
  AdapterConfig config;
  config.lora.rank = fields.IntOr("r", 1, kMaxRank, 8);
  config.lora.alpha = fields.PositiveOr("lora_alpha", 8);  // PEFT's own defaults
  config.lora.dropout = DropoutOf(fields);
  config.lora.rank_stabilised = fields.BoolOr("use_rslora", false);
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

// The adapted modules and parameters as PEFT's config names them, "all-linear" and the like spelled
// out: other programs may count other layers as linear.
struct PeftTargets {
  std::set<std::string> modules, parameters;
};

PeftTargets TargetsOf(const LoraAdapter& adapter, const ModelConfig& config) {
  const std::vector<std::string>& named = adapter.config.targets;
  PeftTargets targets;
  for (const auto& [name, tensor] : adapter.weights) {
    const std::string module = AdaptedModule(name);
    if (HasInterleavedExperts(config) && IsOfOneExpert(module)) continue;
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

// Says in adapter_config.json that a parameter of the experts is adapted, with `ranks` adapters of
// one projection each side by side.
void AddParameter(std::string_view parameter, int64_t ranks, const LoraConfig& lora, json* peft) {
  const std::string name = "mlp" + std::string(kExperts) + std::string(parameter);
  json& targets = (*peft)["target_parameters"];
  if (std::find(targets.begin(), targets.end(), name) == targets.end()) targets.push_back(name);
  if (ranks == 1) return;
  const std::string pattern = ".*\\" + std::string(parameter);
  const int64_t rank = ranks * lora.rank;
  (*peft)["rank_pattern"][pattern] = rank;
  (*peft)["alpha_pattern"][pattern] = Shortest(lora.AlphaFor(static_cast<double>(rank)));
}

// The same for a family whose experts PEFT does not rename by itself. Programs with transformers 4,
// where the parameters are not there, go by target_modules.
void NameExperts(const LoraAdapter& adapter, const ModelConfig& config, json* peft) {
  const FolderNames& names = NamesOf(config);
  const auto adapts = [&](const char* projection) {
    return std::any_of(adapter.weights.begin(), adapter.weights.end(), [&](const auto& item) {
      const std::string module = AdaptedModule(item.first);
      return IsOfOneExpert(module) && module.ends_with(std::string(".") + projection);
    });
  };
  if (adapts(names.gate) && adapts(names.up)) AddParameter(kGateUpProj, 2, adapter.config, peft);
  if (adapts(names.down)) AddParameter(kDownProj, 1, adapter.config, peft);
}

// The adapters of a layer's interleaved experts as PEFT has them. Those of gate and up, each of
// rank r, are one of rank 2 r: their A's below each other, and each B in the rows and columns of
// its own.
class FusedExperts {
 public:
  FusedExperts(const LoraAdapter& adapter, const ModelConfig& config)
      : adapter_(adapter), config_(config) {
    for (const auto& [name, tensor] : adapter.weights) {
      const size_t end = name.find(std::string(kExperts) + ".");
      if (end != std::string::npos) layers_.insert(name.substr(0, end + kExperts.size()));
    }
  }

  // The pairs by name, and in `peft` what adapter_config.json says of them.
  WeightMap Pairs(json* peft) const {
    WeightMap out;
    for (const std::string& experts : layers_) {
      const bool gate = Has(experts, "gate_proj"), up = Has(experts, "up_proj");
      const bool down = Has(experts, "down_proj");
      if (gate || up) {  // PEFT wraps this one first
        AddPair(experts + (down ? ".base_layer" : "") + std::string(kWeight),
                Rows(experts, gate, up), Columns(experts, gate, up), &out);
        AddParameter(kGateUpProj, gate && up ? 2 : 1, adapter_.config, peft);
      }
      if (!down) continue;
      const at::Tensor b = Stack(experts, "down_proj", kLoraUp).permute({1, 2, 0});
      AddPair(experts + std::string(kWeight), Stack(experts, "down_proj", kLoraDown).flatten(0, 1),
              b.flatten(1, 2), &out);
      AddParameter(kDownProj, 1, adapter_.config, peft);
    }
    return out;
  }

 private:
  static std::string Name(const std::string& experts, int64_t e, const char* projection,
                          std::string_view half) {
    return experts + "." + std::to_string(e) + "." + projection + std::string(half);
  }
  bool Has(const std::string& experts, const char* projection) const {
    return adapter_.weights.contains(Name(experts, 0, projection, kLoraDown));
  }
  // [E, r, in] of kLoraDown, [E, out, r] of kLoraUp.
  at::Tensor Stack(const std::string& experts, const char* projection,
                   std::string_view half) const {
    std::vector<at::Tensor> all;
    for (int64_t e = 0; e < config_.moe.num_experts; ++e) {
      all.push_back(adapter_.weights.at(Name(experts, e, projection, half)));
    }
    return at::stack(all);
  }
  // [E * R, width], R the ranks of both together.
  at::Tensor Rows(const std::string& experts, bool gate, bool up) const {
    std::vector<at::Tensor> parts;
    if (gate) parts.push_back(Stack(experts, "gate_proj", kLoraDown));
    if (up) parts.push_back(Stack(experts, "up_proj", kLoraDown));
    return at::cat(parts, 1).flatten(0, 1);
  }
  // [2 m, R * E]
  at::Tensor Columns(const std::string& experts, bool gate, bool up) const {
    std::vector<at::Tensor> parts;
    const auto add = [&](const char* projection, int64_t row) {
      const at::Tensor b = Stack(experts, projection, kLoraUp);
      at::Tensor both = at::zeros({b.size(0), b.size(1), 2, b.size(2)}, b.options());
      both.select(2, row).copy_(b);
      parts.push_back(both.flatten(1, 2));
    };
    if (gate) add("gate_proj", 0);
    if (up) add("up_proj", 1);
    return at::cat(parts, 2).permute({1, 2, 0}).flatten(1, 2);
  }
  const LoraAdapter& adapter_;
  const ModelConfig& config_;
  std::set<std::string> layers_;  // "model.layers.0.mlp.experts"
};

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
  const PeftTargets targets = TargetsOf(adapter, model);
  json config = {{"peft_type", "LORA"},
                 {"task_type", "CAUSAL_LM"},
                 {"base_model_name_or_path", base_model},
                 {"inference_mode", true},
                 {"r", adapter.config.rank},
                 {"lora_alpha", Shortest(adapter.config.alpha)},
                 {"lora_dropout", adapter.config.dropout},
                 {"target_modules", targets.modules},
                 {"target_parameters", targets.parameters},
                 {"modules_to_save", nullptr},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"init_lora_weights", true},
                 {"use_rslora", adapter.config.rank_stabilised},
                 {"use_dora", false},
                 {"rank_pattern", json::object()},
                 {"alpha_pattern", json::object()}};
  WeightMap weights = adapter.weights;
  if (HasInterleavedExperts(model)) {
    std::erase_if(weights, [](const auto& item) { return IsOfOneExpert(item.first); });
    weights.merge(FusedExperts(adapter, model).Pairs(&config));
  } else if (!NamesOf(model).peft_renames_experts) {
    NameExperts(adapter, model, &config);
  }
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : weights) {
    tensors.push_back({std::string(kPrefix) + name, tensor, Dtype::kFloat32});
  }
  WriteSafetensors(folder / kWeightsFile, tensors);
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
    b.mul_(config.lora.Scale(alpha, rank) / config.lora.scale());  // one scale for all adapters
    adapter.weights.merge(AdaptersByName(parameter, a, b, model));
  }
  return adapter;
}

LoraAdapter WithOneRank(LoraAdapter adapter) {
  int64_t rank = 1;
  for (const auto& [name, tensor] : adapter.weights) {
    rank = std::max(rank, tensor.size(name.ends_with(kLoraDown) ? 0 : 1));
  }
  for (auto& [name, tensor] : adapter.weights) {
    const int64_t dim = name.ends_with(kLoraDown) ? 0 : 1;
    std::vector<int64_t> missing = tensor.sizes().vec();
    missing[static_cast<size_t>(dim)] = rank - tensor.size(dim);
    tensor = at::cat({tensor, at::zeros(missing, tensor.options())}, dim);
  }
  adapter.config.alpha = adapter.config.AlphaFor(static_cast<double>(rank));
  adapter.config.rank = rank;
  return adapter;
}

void MergeLora(const LoraAdapter& adapter, const ModelConfig& config, WeightMap* weights) {
  AddAdapters(adapter.weights, adapter.config.scale(), config, weights);
}

}  // namespace cohort::policy
