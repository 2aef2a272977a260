#include "tests/policy/gguf/converter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

namespace cohort::policy {
namespace {

using nlohmann::json;

const std::pair<const char*, const char*> kNames[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"post_attention_norm.weight", "post_attention_layernorm.weight"},
    {"post_ffw_norm.weight", "post_feedforward_layernorm.weight"},
    {"attn_qkv.weight", "self_attn.qkv_proj.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_q.bias", "self_attn.q_proj.bias"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_k.bias", "self_attn.k_proj.bias"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_v.bias", "self_attn.v_proj.bias"},
    {"attn_q_a.weight", "self_attn.q_a_proj.weight"},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight"},
    {"attn_q_b.weight", "self_attn.q_b_proj.weight"},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight"},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_output.bias", "self_attn.o_proj.bias"},
    {"attn_sinks.weight", "self_attn.sinks"},
    {"attn_gate.weight", "linear_attn.in_proj_z.weight"},
    {"ssm_ba.weight", "linear_attn.in_proj_ba.weight"},
    {"ssm_alpha.weight", "linear_attn.in_proj_a.weight"},
    {"ssm_beta.weight", "linear_attn.in_proj_b.weight"},
    {"ssm_conv1d.weight", "linear_attn.conv1d.weight"},
    {"ssm_a", "linear_attn.A_log"},
    {"ssm_dt.bias", "linear_attn.dt_bias"},
    {"ssm_norm.weight", "linear_attn.norm.weight"},
    {"ssm_out.weight", "linear_attn.out_proj.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_gate_inp.weight", "mlp.gate.weight"},
    {"ffn_gate_inp.bias", "mlp.gate.bias"},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
    {"ffn_down_exps.weight", "mlp.experts.down_proj"},
    {"ffn_down_exps.bias", "mlp.experts.down_proj_bias"},
    {"ffn_gate_inp_shexp.weight", "mlp.shared_expert_gate.weight"},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight"},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight"},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight"},
};

// LlamaModel.permute of conversion/llama.py.
at::Tensor Permuted(const at::Tensor& weight, int64_t heads) {
  return weight.reshape({heads, 2, weight.size(0) / heads / 2, weight.size(1)})
      .swapaxes(1, 2)
      .reshape(weight.sizes());
}

class Converter {
 public:
  Converter(const GgufGolden& golden)
      : config_(golden.config),
        weights_(golden.weights),
        golden_config_(golden.expected["config"]),
        architecture_(golden.expected["metadata"]["general.architecture"][1]) {}

  at::Tensor operator()(const std::string& name) const {
    if (name == "token_embd.weight") return weights_.at("model.embed_tokens.weight");
    if (name == "output_norm.weight") return Norm(weights_.at("model.norm.weight"));
    if (name == "output.weight") return weights_.at("lm_head.weight");
    if (name == "rope_freqs.weight") return Llama3Divisors();
    if (name == "rope_factors_long.weight")
      return at::tensor(config_.rope.long_factors, at::kFloat);
    if (name == "rope_factors_short.weight") {
      return at::tensor(config_.rope.short_factors, at::kFloat);
    }
    const size_t dot = name.find('.', 4);
    return OfLayer("model.layers." + name.substr(4, dot - 4) + ".", name.substr(dot + 1));
  }

 private:
  at::Tensor Norm(const at::Tensor& weight) const {
    return config_.norm_adds_one ? weight + 1 : weight;
  }

  // The plain frequency over transformers' scaled one.
  static at::Tensor Llama3Divisors() {
    const FamilyGolden family = ReadFamilyGolden("llama3_rope");
    const auto scaled = family.expected.at("inv_freq").get<std::vector<double>>();
    at::Tensor out = at::empty({static_cast<int64_t>(scaled.size())});
    for (size_t i = 0; i < scaled.size(); ++i) {
      const double plain = std::pow(family.config.rope.base,
                                    -static_cast<double>(i) / static_cast<double>(scaled.size()));
      out[static_cast<int64_t>(i)] = plain / scaled[i];
    }
    return out;
  }

  at::Tensor OfLayer(const std::string& layer, const std::string& module) const {
    const auto half = [&](const std::string& fused, int64_t index) {
      return weights_.at(layer + fused).chunk(2, 1)[static_cast<size_t>(index)];
    };
    if (module == "ffn_gate_exps.weight") return half("mlp.experts.gate_up_proj", 0);
    if (module == "ffn_up_exps.weight") return half("mlp.experts.gate_up_proj", 1);
    if (module == "ffn_gate_exps.bias") return half("mlp.experts.gate_up_proj_bias", 0);
    if (module == "ffn_up_exps.bias") return half("mlp.experts.gate_up_proj_bias", 1);
    if (module == "ffn_up.weight" && config_.fused_projections) {
      return weights_.at(layer + "mlp.gate_up_proj.weight");
    }
    if (module == "ffn_norm.weight") {
      const auto before_ffn = weights_.find(layer + "pre_feedforward_layernorm.weight");
      return Norm(before_ffn != weights_.end()
                      ? before_ffn->second
                      : weights_.at(layer + "post_attention_layernorm.weight"));
    }
    if (module.starts_with("indexer.")) return Indexer(layer, module);
    if (module == "attn_k_b.weight" || module == "attn_v_b.weight") return Latent(layer, module);
    if (weights_.contains(layer + "linear_attn.A_log") &&
        (module.starts_with("ssm_") || module == "attn_qkv.weight" ||
         module == "attn_gate.weight")) {
      return Linear(layer + "linear_attn.", module);
    }
    const at::Tensor weight = weights_.at(layer + OwnName(module));
    if (module.ends_with("norm.weight")) return Norm(weight);
    const bool permutes =
        architecture_ == "llama" || architecture_ == "granite" || architecture_ == "smollm3";
    if (permutes && module == "attn_q.weight") return Permuted(weight, config_.attention.num_heads);
    if (permutes && module == "attn_k.weight") {
      return Permuted(weight, config_.attention.num_kv_heads);
    }
    return weight;
  }

  // Of sparse attention, which our weights leave out.
  at::Tensor Indexer(const std::string& layer, const std::string& module) const {
    const int64_t dim = golden_config_["index_head_dim"], heads = golden_config_["index_n_heads"];
    const std::string prefix = layer + "self_attn.indexer.";
    if (module == "indexer.k_norm.weight") return DrawWeight(prefix + "k_norm.weight", {dim});
    if (module == "indexer.k_norm.bias") return DrawWeight(prefix + "k_norm.bias", {dim});
    if (module == "indexer.attn_k.weight") {
      return DrawWeight(prefix + "wk.weight", {dim, config_.width});
    }
    if (module == "indexer.proj.weight") {
      return DrawWeight(prefix + "weights_proj.weight", {heads, config_.width});
    }
    return DrawWeight(prefix + "wq_b.weight", {heads * dim, config_.attention.q_lora_rank});
  }

  static std::string OwnName(const std::string& module) {
    for (const auto& [theirs, own] : kNames) {
      if (module == theirs) return own;
    }
    return "(no place of " + module + ")";
  }

  // DeepseekV2Model.modify_tensors.
  at::Tensor Latent(const std::string& layer, const std::string& module) const {
    const AttentionConfig& a = config_.attention;
    const std::vector<at::Tensor> halves =
        weights_.at(layer + "self_attn.kv_b_proj.weight")
            .view({a.num_heads, a.qk_nope_head_dim + a.v_head_dim, a.kv_lora_rank})
            .split_with_sizes({a.qk_nope_head_dim, a.v_head_dim}, 1);
    return module == "attn_v_b.weight" ? halves[1] : halves[0].transpose(1, 2);
  }

  // Qwen3NextModel and _LinearAttentionVReorderBase.
  at::Tensor Linear(const std::string& prefix, const std::string& module) const {
    const LinearAttentionConfig& l = config_.linear;
    const int64_t keys = l.num_key_heads * l.key_dim, each = l.num_value_heads / l.num_key_heads;
    if (architecture_ == "qwen3next" && module.starts_with("attn_")) {
      const int64_t values = each * l.value_dim;
      const at::Tensor all = weights_.at(prefix + "in_proj_qkvz.weight")
                                 .permute({1, 0})
                                 .reshape({config_.width, l.num_key_heads, -1});
      std::vector<at::Tensor> parts =
          all.split_with_sizes({l.key_dim, l.key_dim, values, values}, -1);
      for (at::Tensor& part : parts) part = part.reshape({config_.width, -1}).permute({1, 0});
      return module == "attn_gate.weight" ? parts[3] : at::cat({parts[0], parts[1], parts[2]}, 0);
    }
    const auto reordered = [&](const at::Tensor& tensor, int64_t dim) {
      if (architecture_ == "qwen3next") return tensor;
      return tensor.unflatten(dim, {l.num_key_heads, each, -1})
          .swapaxes(dim, dim + 1)
          .flatten(dim, dim + 2);
    };
    const auto values_reordered = [&](const at::Tensor& tensor) {
      return at::cat({tensor.narrow(0, 0, 2 * keys),
                      reordered(tensor.narrow(0, 2 * keys, tensor.size(0) - 2 * keys), 0)},
                     0);
    };
    if (module == "attn_qkv.weight") {
      return values_reordered(weights_.at(prefix + "in_proj_qkv.weight"));
    }
    const at::Tensor weight =
        weights_.at(prefix + OwnName(module).substr(std::string("linear_attn.").size()));
    if (module == "ssm_conv1d.weight") return values_reordered(weight.squeeze());
    if (module == "ssm_a") return reordered(-weight.exp(), 0);
    if (module == "ssm_norm.weight" || module == "ssm_ba.weight") return weight;
    return reordered(weight, module == "ssm_out.weight" ? 1 : 0);
  }

  const ModelConfig& config_;
  const WeightMap& weights_;
  const json& golden_config_;
  std::string architecture_;
};

// Drawn bytes of MXFP4 (GptOssModel.repack_mxfp4): scale, then the 32 codes, and their values.
struct DrawnBlocks {
  at::Tensor codes;   // [E, rows, G, 32]
  at::Tensor scales;  // [E, rows, G, 1]

  DrawnBlocks(const std::string& name, int64_t experts, int64_t rows, int64_t columns) {
    const std::vector<int64_t> shape = {experts, rows, columns / 32};
    std::vector<int64_t> block_shape = shape;
    block_shape.push_back(16);
    const at::Tensor bytes =
        ((DrawFromName(name + "_blocks", block_shape) + 0.5) * 256).to(at::kInt);
    codes = at::stack({bytes.bitwise_and(15), bytes.bitwise_right_shift(4)}, -1).flatten(-2);
    scales = ((DrawFromName(name + "_scales", shape) + 0.5) * 8 + 118).to(at::kInt).unsqueeze(-1);
  }

  at::Tensor GgufBlocks(int64_t from, int64_t step) const {
    const at::Tensor rows = codes.slice(1, from, std::nullopt, step);
    const std::vector<at::Tensor> halves = rows.chunk(2, -1);
    return at::cat({scales.slice(1, from, std::nullopt, step), halves[0] + halves[1] * 16}, -1)
        .flatten(2)
        .to(at::kByte);
  }

  at::Tensor Values() const {
    const at::Tensor numbers = at::tensor({0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F, 0.0F,
                                           -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F});
    at::Tensor powers = at::empty({200});  // beyond the drawn ones
    for (int i = 0; i < 200; ++i) powers[i] = std::ldexp(1.0, i - 127);
    return (numbers.take(codes.to(at::kLong)) * powers.take(scales.to(at::kLong))).flatten(2);
  }
};

// Replaces the experts' weights by those of drawn blocks; the tensors of the file are theirs.
void DrawMxfp4Experts(GgufGolden* golden) {
  const int64_t experts = golden->config.moe.num_experts, width = golden->config.width;
  const int64_t expert_width = golden->config.moe.expert_width;
  for (ConvertedTensor& tensor : golden->tensors) {
    if (!tensor.name.ends_with("_exps.weight")) continue;
    const size_t dot = tensor.name.find('.', 4);
    const std::string prefix = "model.layers." + tensor.name.substr(4, dot - 4) + ".mlp.experts.";
    tensor.shape_only = tensor.values;
    if (tensor.name.ends_with("ffn_down_exps.weight")) {
      const DrawnBlocks drawn(prefix + "down_proj", experts, width, expert_width);
      tensor.values = drawn.GgufBlocks(0, 1);
      golden->weights[prefix + "down_proj"] = drawn.Values();
      continue;
    }
    const DrawnBlocks drawn(prefix + "gate_up_proj", experts, 2 * expert_width, width);
    tensor.values = drawn.GgufBlocks(tensor.name.ends_with("ffn_up_exps.weight") ? 1 : 0, 2);
    const at::Tensor values = drawn.Values();  // gate and up alternate
    golden->weights[prefix + "gate_up_proj"] =
        at::cat({values.slice(1, 0, std::nullopt, 2), values.slice(1, 1, std::nullopt, 2)}, 1);
  }
}

}  // namespace

GgufBytes GgufGolden::Metadata() const {
  GgufBytes out;
  for (const auto& [key, entry] : expected["metadata"].items()) {
    const std::string type = entry[0];
    const json& value = entry[1];
    if (type == "string") {
      out.Text(key, value);
    } else if (type == "uint32") {
      out.Integer(key, value);
    } else if (type == "float32") {
      out.Number(key, value);
    } else if (type == "bool") {
      out.Bool(key, value);
    } else if (type == "[int32]") {
      out.Integers(key, value);
    } else if (type == "[bool]") {
      std::vector<uint8_t> flags;
      for (const bool flag : value) flags.push_back(flag ? 1 : 0);
      out.Bools(key, flags);
    } else {
      ADD_FAILURE() << key << " is of type " << type;
    }
  }
  return out;
}

GgufGolden ReadGgufGolden(const std::string& name) {
  GgufGolden golden;
  golden.expected = json::parse(
      base::ReadFile(std::string(COHORT_GOLDEN_DIR) + "/policy/gguf/" + name + ".json"));
  golden.config = ParseConfig(golden.expected.at("config"), name + ".json");
  golden.config.num_mtp_layers = 0;  // transformers announces some and has none
  golden.weights = FamilyGoldenWeights(golden.config);
  const Converter converted(golden);
  for (const auto& [tensor, unused] : golden.expected.at("tensors").items()) {
    golden.tensors.push_back({tensor, converted(tensor), {}});
  }
  if (name.ends_with("_mxfp4")) DrawMxfp4Experts(&golden);
  return golden;
}

std::string GgufFileOf(const GgufBytes& metadata, const std::vector<ConvertedTensor>& tensors) {
  std::string bytes = metadata.str(tensors.size()), data;
  const auto put = [&](auto value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  for (const ConvertedTensor& tensor : tensors) {
    const bool mxfp4 = tensor.shape_only.defined();
    const at::Tensor& shape = mxfp4 ? tensor.shape_only : tensor.values;
    put(uint64_t{tensor.name.size()});
    bytes += tensor.name;
    put(static_cast<uint32_t>(shape.dim()));
    for (int64_t i = shape.dim() - 1; i >= 0; --i) put(static_cast<uint64_t>(shape.size(i)));
    put(uint32_t{mxfp4 ? 39U : 0U});
    put(uint64_t{data.size()});
    const at::Tensor values = tensor.values.contiguous();
    data.append(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
    data.resize((data.size() + 31) / 32 * 32);
  }
  bytes.resize((bytes.size() + 31) / 32 * 32);
  return bytes + data;
}

}  // namespace cohort::policy
