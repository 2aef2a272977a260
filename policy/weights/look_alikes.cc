#include "policy/weights/look_alikes.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>

#include "policy/config/config.h"
#include "policy/config/family.h"
#include "policy/weights/stored_tensors.h"
#include "policy/weights/weights.h"

namespace cohort::policy {
namespace {

using nlohmann::json;
using Names = std::set<std::string>;

// With a star for each layer and expert. A head is there or not in any family.
Names WithoutNumbers(const Names& names) {
  Names out;
  for (const std::string& name : names) {
    if (name == "lm_head.weight") continue;
    std::string part, whole;
    for (const char c : name + ".") {
      if (c != '.') {
        part += c;
        continue;
      }
      const bool is_number = !part.empty() && std::all_of(part.begin(), part.end(), [](char digit) {
        return std::isdigit(static_cast<unsigned char>(digit)) != 0;
      });
      whole += (whole.empty() ? "" : ".") + (is_number ? "*" : part);
      part.clear();
    }
    out.insert(whole);
  }
  return out;
}

// A small model of the family with layers of every kind that it has.
ModelConfig SmallModel(const std::string& family) {
  json config = {{"model_type", family},
                 {"vocab_size", 8},
                 {"hidden_size", 32},
                 {"num_hidden_layers", 4},
                 {"intermediate_size", 8},
                 {"max_position_embeddings", 8},
                 {"num_attention_heads", 4},
                 {"num_key_value_heads", 4},
                 {"moe_intermediate_size", 8},
                 {"shared_expert_intermediate_size", 8},
                 {"num_experts_per_tok", 1},
                 {"n_shared_experts", 1},
                 {"first_k_dense_replace", 1},
                 {"routed_scaling_factor", 1.0},
                 {"n_group", 1},
                 {"topk_group", 1},
                 {"rope_scaling", {{"rope_type", "default"}}}};
  for (const char* experts : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    config[experts] = 2;
  }
  // Fields that the families without latent attention refuse.
  if (family.starts_with("deepseek")) {
    config["q_lora_rank"] = config["kv_lora_rank"] = 8;
    config["qk_nope_head_dim"] = config["qk_rope_head_dim"] = config["v_head_dim"] = 8;
  }
  return ParseConfig(config, "a small " + family);
}

Names NamesInFolder(const ModelConfig& config) {
  Names names;
  for (const TensorSpec& spec : ExpectedTensors(config)) {
    const at::Tensor shape = at::empty(spec.shape, at::TensorOptions().device(at::kMeta));
    for (const StoredTensor& stored : StoredTensors(config, spec.name, shape)) {
      names.insert(stored.name);
    }
  }
  return names;
}

// Of all names in either, the part that is in both.
double Likeness(const Names& a, const Names& b) {
  Names both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(both, both.end()));
  return static_cast<double>(both.size()) /
         static_cast<double>(std::max<size_t>(a.size() + b.size() - both.size(), 1));
}

}  // namespace

std::vector<std::string> FamiliesNamedLike(const std::set<std::string>& names) {
  const Names found = WithoutNumbers(names);
  std::vector<std::string> best;
  double most = 0;
  for (const std::string& family : FamilyNames()) {
    const ModelConfig config = SmallModel(family);
    if (config.family != family) continue;  // read as another one
    const double likeness = Likeness(found, WithoutNumbers(NamesInFolder(config)));
    if (likeness > most) best.clear();
    most = std::max(most, likeness);
    if (likeness == most && most > 0) best.push_back(family);
  }
  return best;
}

}  // namespace cohort::policy
