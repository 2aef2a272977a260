#include "policy/upcycle.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>

#include <charconv>
#include <map>
#include <sstream>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "policy/config/fields.h"

namespace cohort::policy {
namespace {

template <class Value>
Value ParseNumber(const std::string& key, const std::string& text, Value low, Value high) {
  Value value{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec == std::errc() && result.ptr == end && value >= low && value <= high) return value;
  std::ostringstream expected;
  expected << "--upcycle: " << key << " is '" << text << "', expected a number from " << low
           << " to " << high;
  throw Error(ErrorCode::kUsage, expected.str());
}

std::map<std::string, std::string> SplitKeys(const std::string& text) {
  const std::vector<std::string> known = {"experts", "top_k", "shared", "noise", "seed"};
  std::map<std::string, std::string> values;
  std::istringstream in(text);
  for (std::string item; std::getline(in, item, ',');) {
    const size_t equals = item.find('=');
    const std::string key = item.substr(0, equals);
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      throw Error(ErrorCode::kUsage,
                  "--upcycle: unknown key '" + key + "'" + base::DidYouMean(key, known),
                  "for example --upcycle experts=16,top_k=4,shared=1");
    }
    if (equals == std::string::npos || !values.emplace(key, item.substr(equals + 1)).second) {
      throw Error(ErrorCode::kUsage, "--upcycle: expected " + key + "=NUMBER once");
    }
  }
  return values;
}

int64_t PartWidth(const ModelConfig& dense, const UpcycleOptions& options) {
  return (dense.ffn_width + options.shared) / (options.shared + 1);
}

// The dense FFN of one layer, its hidden units filled up to a multiple of the parts' width.
struct PaddedFfn {
  at::Tensor gate, up, down;  // [F', D], [F', D], [D, F']
};

PaddedFfn ReadFfn(const WeightMap& weights, const std::string& mlp, int64_t units) {
  PaddedFfn ffn{weights.at(mlp + "gate_proj.weight"), weights.at(mlp + "up_proj.weight"),
                weights.at(mlp + "down_proj.weight")};
  const int64_t missing = units - ffn.gate.size(0);
  if (missing == 0) return ffn;
  ffn.gate = at::constant_pad_nd(ffn.gate, {0, 0, 0, missing});
  ffn.up = at::constant_pad_nd(ffn.up, {0, 0, 0, missing});
  ffn.down = at::constant_pad_nd(ffn.down, {0, missing});
  return ffn;
}

// [...] -> [E, ...]
at::Tensor Copies(const at::Tensor& one, const std::string& name, const UpcycleOptions& options) {
  std::vector<int64_t> shape = one.sizes().vec();
  shape.insert(shape.begin(), options.experts);
  const at::Tensor copies = one.unsqueeze(0).expand(shape);
  if (options.noise == 0) return copies;
  at::Generator generator = at::detail::createCPUGenerator(
      base::Checksum(name + "#noise#" + std::to_string(options.seed)));
  const double deviation = options.noise * one.to(at::kFloat).std().item<double>();
  return (copies + at::empty(shape).normal_(0.0, deviation, generator)).to(one.scalar_type());
}

void AddExperts(const std::string& mlp, const PaddedFfn& ffn, int64_t part,
                const UpcycleOptions& options, WeightMap* out) {
  const int64_t shared = options.shared * part;
  if (shared > 0) {
    (*out)[mlp + "shared_experts.gate_proj.weight"] = ffn.gate.narrow(0, 0, shared);
    (*out)[mlp + "shared_experts.up_proj.weight"] = ffn.up.narrow(0, 0, shared);
    (*out)[mlp + "shared_experts.down_proj.weight"] = ffn.down.narrow(1, 0, shared);
  }
  const at::Tensor gate_up =
      at::cat({ffn.gate.narrow(0, shared, part), ffn.up.narrow(0, shared, part)});
  const std::string experts = mlp + "experts.";
  (*out)[experts + "gate_up_proj"] = Copies(gate_up, experts + "gate_up_proj", options);
  (*out)[experts + "down_proj"] =
      Copies(ffn.down.narrow(1, shared, part), experts + "down_proj", options);
}

// Whether config.json of the config's family can say all of it.
bool CanBeWritten(const ModelConfig& config) {
  try {
    return ParseConfig(ConfigToJson(config, Dtype::kFloat32), "config.json") == config;
  } catch (const Error&) {
    return false;
  }
}

// qkv_proj and gate_up_proj as the projections that they are made of.
void SplitProjections(const ModelConfig& config, WeightMap* weights) {
  const int64_t q = config.attention.num_heads * config.attention.head_dim;
  const int64_t kv = config.attention.num_kv_heads * config.attention.head_dim,
                f = config.ffn_width;
  const auto split = [&](const std::string& prefix, const char* fused,
                         const std::vector<std::pair<const char*, int64_t>>& parts) {
    const at::Tensor whole = weights->at(prefix + fused + ".weight");
    weights->erase(prefix + fused + ".weight");
    int64_t row = 0;
    for (const auto& [name, rows] : parts) {
      (*weights)[prefix + name + ".weight"] = whole.narrow(0, row, rows);
      row += rows;
    }
  };
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    split(prefix + "self_attn.", "qkv_proj", {{"q_proj", q}, {"k_proj", kv}, {"v_proj", kv}});
    split(prefix + "mlp.", "gate_up_proj", {{"gate_proj", f}, {"up_proj", f}});
  }
}

}  // namespace

UpcycleOptions ParseUpcycleOptions(const std::string& text) {
  const std::map<std::string, std::string> values = SplitKeys(text);
  UpcycleOptions options;
  for (const char* key : {"experts", "top_k"}) {
    if (values.contains(key)) continue;
    throw Error(ErrorCode::kUsage, std::string("--upcycle: ") + key + " is missing",
                "for example --upcycle experts=16,top_k=4");
  }
  options.experts = ParseNumber<int64_t>("experts", values.at("experts"), 2, kMaxExperts);
  options.top_k = ParseNumber<int64_t>("top_k", values.at("top_k"), 1, options.experts);
  for (const auto& [key, value] : values) {
    if (key == "shared") options.shared = ParseNumber<int64_t>(key, value, 0, 64);
    if (key == "noise") options.noise = ParseNumber<double>(key, value, 0, 10);
    if (key == "seed") options.seed = ParseNumber<uint64_t>(key, value, 0, UINT64_MAX);
  }
  return options;
}

ModelConfig UpcycledConfig(const ModelConfig& dense, const UpcycleOptions& options) {
  if (dense.moe.num_experts > 0) {
    throw Error(ErrorCode::kUsage, "the " + dense.family + " model has experts already",
                "model.upcycle is for dense models");
  }
  ModelConfig config = dense;
  config.fused_projections = false;
  MoeConfig& moe = config.moe;
  moe.num_experts = options.experts;
  moe.experts_per_token = options.top_k;
  moe.expert_width = PartWidth(dense, options);
  moe.shared_width = options.shared * moe.expert_width;
  if (options.shared == 0) {
    moe.score = GateScore::kSoftmax;
    moe.selection_bias = false;
    moe.group_score = GroupScore::kMax;
  }
  const std::vector<const char*> families =
      options.shared > 0 ? std::vector{"glm4_moe"} : std::vector{"qwen3_moe", "mixtral"};
  for (const char* family : families) {
    config.family = family;
    if (CanBeWritten(config)) return config;
  }
  const bool needs_shared = dense.attention.qkv_bias && options.shared == 0;
  throw Error(ErrorCode::kUsage,
              "no family of models with experts " +
                  std::string(options.shared > 0 ? "and a shared one " : "") +
                  "computes what this " + dense.family + " model does in its other layers",
              needs_shared ? "add shared=1: glm4_moe has biases of queries, keys and values"
                           : "it can be trained as it is");
}

Model Upcycle(const Model& dense, const UpcycleOptions& options) {
  Model out = dense;
  out.config = UpcycledConfig(dense.config, options);
  if (dense.config.fused_projections) SplitProjections(dense.config, &out.weights);
  const int64_t part = out.config.moe.expert_width;
  for (int64_t layer = 0; layer < dense.config.num_layers; ++layer) {
    const std::string mlp = "model.layers." + std::to_string(layer) + ".mlp.";
    AddExperts(mlp, ReadFfn(out.weights, mlp, (options.shared + 1) * part), part, options,
               &out.weights);
    for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
      out.weights.erase(mlp + name + ".weight");
    }
  }
  for (const TensorSpec& spec : ExpectedTensors(out.config)) {
    if (!out.weights.contains(spec.name)) {
      out.weights[spec.name] = InitialTensor(out.config, spec, options.seed);
    }
  }
  CheckWeights(out.config, out.weights, "the upcycled model");
  return out;
}

}  // namespace cohort::policy
