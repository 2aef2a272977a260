#include "rl/run/recipe_adapter.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/bounded_json.h"
#include "base/error.h"
#include "policy/locate_model.h"
#include "policy/lora/lora.h"
#include "policy/lora/merge.h"

namespace cohort::rl {
namespace {

namespace fs = std::filesystem;
using policy::LoraAdapter;
using policy::LoraConfig;

constexpr double kDefaultAlpha = 16;

std::vector<std::string> Targets(const proto::Lora& lora) {
  return {lora.targets().begin(), lora.targets().end()};
}

template <class Value>
std::string Text(const Value& value) {
  std::ostringstream text;
  text << std::boolalpha << value;
  return text.str();
}

// The model that a PEFT folder says its adapter belongs to.
std::string BaseOf(const fs::path& adapter) {
  const nlohmann::json config = base::ReadBoundedJsonObject(adapter / "adapter_config.json");
  const auto named = config.find("base_model_name_or_path");
  return named == config.end() || !named->is_string() ? "" : named->get<std::string>();
}

// A run's export has its adapter added already, and beside it alone in adapter/: neither this one
// nor that of another step, which has the same base, may be added to it once more.
void RefuseTheMerged(const proto::Recipe& recipe) {
  const std::string& path = recipe.model().path();
  if (!fs::is_directory(path)) return;
  const fs::path adapter = recipe.lora().adapter(), model = policy::LocateModel(path);
  const fs::path merged = model / "adapter";
  std::error_code absent;
  if (!fs::exists(merged / "adapter_config.json", absent)) return;
  const std::string base = BaseOf(adapter);
  if (!fs::equivalent(adapter, merged, absent) && base != BaseOf(merged)) return;
  throw Error(ErrorCode::kUsage,
              "model.path is " + model.string() +
                  ", an export that has the run's adapter added: that of lora.adapter (" +
                  adapter.string() + ") would be added twice",
              "give the model that the adapter was trained on as model.path" +
                  (base.empty() ? std::string() : ": " + base));
}

[[noreturn]] void Disagree(const proto::Lora& lora, const std::string& key,
                           const std::string& wanted, const std::string& found) {
  throw Error(ErrorCode::kUsage,
              "lora." + key + " is " + wanted + ", and that of lora.adapter (" + lora.adapter() +
                  ") is " + found,
              "leave lora." + key + " out: an adapter goes on as it is");
}

void CheckAgreement(const proto::Lora& lora, const LoraConfig& found) {
  if (lora.rank() > 0 && lora.rank() != found.rank) {
    Disagree(lora, "rank", Text(lora.rank()), Text(found.rank));
  }
  if (lora.has_alpha() && lora.alpha() != found.alpha) {
    Disagree(lora, "alpha", Text(lora.alpha()), Text(found.alpha));
  }
  if (lora.has_rank_stabilised() && lora.rank_stabilised() != found.rank_stabilised) {
    Disagree(lora, "rank_stabilised", Text(lora.rank_stabilised()), Text(found.rank_stabilised));
  }
}

// Targets that are given name the layers of the adapter, neither more nor fewer.
void CheckTargets(const proto::Lora& lora, const policy::ModelConfig& model,
                  const LoraAdapter& adapter) {
  if (lora.targets().empty()) return;
  const std::vector<std::string> named = policy::LoraModules(model, Targets(lora));
  const std::set<std::string> wanted(named.begin(), named.end());
  std::set<std::string> found;
  for (const auto& [name, tensor] : adapter.weights) found.insert(policy::AdaptedModule(name));
  const auto only = [](const std::set<std::string>& in, const std::set<std::string>& not_in) {
    for (const std::string& name : in) {
      if (!not_in.contains(name)) return name;
    }
    return std::string();
  };
  if (const std::string name = only(wanted, found); !name.empty()) {
    throw Error(ErrorCode::kUsage,
                "lora.targets name " + name + ", which lora.adapter (" + lora.adapter() +
                    ") does not adapt",
                "leave lora.targets out: an adapter goes on with the layers that it has");
  }
  if (const std::string name = only(found, wanted); !name.empty()) {
    throw Error(
        ErrorCode::kUsage,
        "lora.adapter (" + lora.adapter() + ") adapts " + name + ", which lora.targets do not name",
        "leave lora.targets out: an adapter goes on with the layers that it has");
  }
}

// LoraInput of policy/transformer/linear.h has none for the head, whose weight is added up.
void CheckDropout(const std::vector<std::string>& modules, const LoraConfig& config) {
  if (config.dropout == 0 || std::count(modules.begin(), modules.end(), "lm_head") == 0) return;
  throw Error(ErrorCode::kUsage, "lora.dropout cannot be had with an adapter of lm_head",
              "set lora.dropout to 0, or leave lm_head out of lora.targets");
}

LoraAdapter Continued(const proto::Recipe& recipe, const policy::ModelConfig& model) {
  const proto::Lora& lora = recipe.lora();
  RefuseTheMerged(recipe);
  LoraAdapter adapter = policy::ReadLoraAdapter(lora.adapter(), model);
  CheckAgreement(lora, adapter.config);
  CheckTargets(lora, model, adapter);
  adapter = policy::WithOneRank(std::move(adapter));
  policy::CheckAdapter(model, adapter);
  if (lora.has_dropout()) adapter.config.dropout = lora.dropout();
  std::vector<std::string> modules;
  for (const auto& [name, tensor] : adapter.weights) modules.push_back(policy::AdaptedModule(name));
  CheckDropout(modules, adapter.config);
  return adapter;
}

}  // namespace

std::optional<LoraAdapter> RecipeAdapter(const proto::Recipe& recipe,
                                         const policy::ModelConfig& model) {
  const proto::Lora& lora = recipe.lora();
  if (!lora.adapter().empty()) return Continued(recipe, model);
  if (lora.rank() == 0) return std::nullopt;
  LoraConfig config{lora.rank(), lora.has_alpha() ? lora.alpha() : kDefaultAlpha, Targets(lora)};
  config.rank_stabilised = lora.rank_stabilised();
  config.dropout = lora.dropout();
  CheckDropout(policy::LoraModules(model, config.targets), config);
  return LoraAdapter{config, {}};
}

}  // namespace cohort::rl
