// The families that llama.cpp's converter writes as GGUF, made here by its rules (llama.cpp's
// gguf-py/gguf/constants.py for names and conversion/llama.py for the order of rows) from the small
// models of tests/golden/policy/families.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/gguf/config.h"
#include "policy/gguf/weights.h"
#include "policy/gguf_model.h"
#include "policy/prompt_encoding.h"
#include "tests/policy/family_golden.h"
#include "tests/policy/gguf/bytes.h"

namespace cohort::policy {
namespace {

using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

const std::pair<const char*, const char*> kNames[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.q_a_proj.weight", "attn_q_a.weight"},
    {"self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"},
    {"self_attn.q_b_proj.weight", "attn_q_b.weight"},
    {"self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight"},
    {"self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.experts.down_proj", "ffn_down_exps.weight"},
    {"mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},
};

// LlamaModel.permute of conversion/llama.py.
at::Tensor Permuted(const at::Tensor& weight, int64_t heads) {
  return weight.view({heads, 2, weight.size(0) / heads / 2, weight.size(1)})
      .transpose(1, 2)
      .reshape(weight.sizes());
}

Tensors TensorsOf(const ModelConfig& config, const WeightMap& weights) {
  Tensors out;
  for (const auto& [name, weight] : weights) {
    if (name == "model.embed_tokens.weight") out.emplace_back("token_embd.weight", weight);
    if (name == "model.norm.weight") out.emplace_back("output_norm.weight", weight);
    if (name == "lm_head.weight") out.emplace_back("output.weight", weight);
    if (!name.starts_with("model.layers.")) continue;
    const size_t dot = name.find('.', std::string("model.layers.").size());
    const std::string block = "blk." + name.substr(13, dot - 13) + ".";
    const std::string module = name.substr(dot + 1);
    if (module == "mlp.experts.gate_up_proj") {
      const std::vector<at::Tensor> halves = weight.chunk(2, 1);
      out.emplace_back(block + "ffn_up_exps.weight", halves[1]);
      out.emplace_back(block + "ffn_gate_exps.weight", halves[0]);
    }
    if (module == "self_attn.kv_b_proj.weight") {  // DeepseekV2Model.modify_tensors
      const AttentionConfig& a = config.attention;
      const std::vector<at::Tensor> halves =
          weight.view({a.num_heads, a.qk_nope_head_dim + a.v_head_dim, a.kv_lora_rank})
              .split_with_sizes({a.qk_nope_head_dim, a.v_head_dim}, 1);
      out.emplace_back(block + "attn_v_b.weight", halves[1]);
      out.emplace_back(block + "attn_k_b.weight", halves[0].transpose(1, 2));
    }
    for (const auto& [own, theirs] : kNames) {
      if (module != own) continue;
      const bool permutes = config.family == "llama" || config.family == "mixtral";
      const int64_t heads = module == "self_attn.q_proj.weight"   ? config.attention.num_heads
                            : module == "self_attn.k_proj.weight" ? config.attention.num_kv_heads
                                                                  : 0;
      out.emplace_back(block + theirs, permutes && heads > 0 ? Permuted(weight, heads) : weight);
    }
  }
  return out;
}

std::string ArchitectureOf(const std::string& family) {
  if (family == "qwen3_moe") return "qwen3moe";
  if (family == "mixtral") return "llama";
  return family.starts_with("deepseek") ? "deepseek2" : family;
}

uint32_t Size(int64_t value) { return static_cast<uint32_t>(value); }

// DeepseekV2Model.set_gguf_parameters.
void AddDeepSeek(const ModelConfig& config, GgufBytes* out) {
  const AttentionConfig& a = config.attention;
  if (a.q_lora_rank > 0) out->Integer("deepseek2.attention.q_lora_rank", Size(a.q_lora_rank));
  out->Integer("deepseek2.attention.kv_lora_rank", Size(a.kv_lora_rank))
      .Integer("deepseek2.attention.head_count_kv", 1)
      .Integer("deepseek2.attention.key_length", Size(a.kv_lora_rank + a.qk_rope_head_dim))
      .Integer("deepseek2.attention.value_length", Size(a.kv_lora_rank))
      .Integer("deepseek2.attention.key_length_mla", Size(a.query_dim()))
      .Integer("deepseek2.attention.value_length_mla", Size(a.v_head_dim))
      .Integer("deepseek2.rope.dimension_count", Size(a.qk_rope_head_dim))
      .Integer("deepseek2.leading_dense_block_count", Size(config.moe.first_dense_layers))
      .Integer("deepseek2.expert_shared_count",
               Size(config.moe.shared_width / config.moe.expert_width))
      .Number("deepseek2.expert_weights_scale", static_cast<float>(config.moe.routed_scaling))
      .Bool("deepseek2.expert_weights_norm", config.moe.normalize_weights)
      .Integer("deepseek2.expert_gating_func", config.moe.score == GateScore::kSigmoid ? 2 : 1)
      .Integer("deepseek2.expert_group_count", Size(config.moe.num_groups))
      .Integer("deepseek2.expert_group_used_count", Size(config.moe.groups_per_token));
}

GgufBytes Metadata(const ModelConfig& config) {
  const std::string name = ArchitectureOf(config.family);
  GgufBytes out;
  out.Text("general.architecture", name)
      .Integer(name + ".block_count", Size(config.num_layers))
      .Integer(name + ".context_length", Size(config.max_positions))
      .Integer(name + ".embedding_length", Size(config.width))
      .Integer(name + ".feed_forward_length", Size(config.ffn_width))
      .Integer(name + ".attention.head_count", Size(config.attention.num_heads))
      .Number(name + ".rope.freq_base", static_cast<float>(config.rope.base))
      .Number(name + ".attention.layer_norm_rms_epsilon", static_cast<float>(config.norm_eps));
  if (config.attention.latent()) {
    AddDeepSeek(config, &out);
  } else {
    out.Integer(name + ".attention.head_count_kv", Size(config.attention.num_kv_heads))
        .Integer(name + ".attention.key_length", Size(config.attention.head_dim));
  }
  if (config.moe.num_experts > 0) {
    out.Integer(name + ".expert_count", Size(config.moe.num_experts))
        .Integer(name + ".expert_used_count", Size(config.moe.experts_per_token))
        .Integer(name + ".expert_feed_forward_length", Size(config.moe.expert_width));
  }
  const std::string scaling = name + ".rope.scaling.";
  if (config.rope.kind == RopeKind::kYarn) {
    out.Text(scaling + "type", "yarn")
        .Number(scaling + "factor", static_cast<float>(config.rope.factor))
        .Integer(scaling + "original_context_length", Size(config.rope.original_max_positions));
    if (config.rope.mscale_all_dim > 0) {
      out.Number(scaling + "yarn_log_multiplier",
                 static_cast<float>(0.1 * config.rope.mscale_all_dim));
    }
  }
  return out;
}

std::string FileOf(const GgufBytes& metadata, const Tensors& tensors) {
  std::string bytes = metadata.str(tensors.size()), data;
  const auto put = [&](auto value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  for (const auto& [name, tensor] : tensors) {
    put(uint64_t{name.size()});
    bytes += name;
    put(static_cast<uint32_t>(tensor.dim()));
    for (int64_t i = tensor.dim() - 1; i >= 0; --i) put(static_cast<uint64_t>(tensor.size(i)));
    put(uint32_t{0});  // F32
    put(uint64_t{data.size()});
    const at::Tensor values = tensor.contiguous();
    data.append(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
    data.resize((data.size() + 31) / 32 * 32);
  }
  bytes.resize((bytes.size() + 31) / 32 * 32);
  return bytes + data;
}

// rope_freqs.weight: the plain frequency over transformers' scaled one.
at::Tensor RopeDivisors(const FamilyGolden& golden) {
  const auto scaled = golden.expected.at("inv_freq").get<std::vector<double>>();
  at::Tensor out = at::empty({static_cast<int64_t>(scaled.size())});
  for (size_t i = 0; i < scaled.size(); ++i) {
    const double plain = std::pow(golden.config.rope.base,
                                  -static_cast<double>(i) / static_cast<double>(scaled.size()));
    out[static_cast<int64_t>(i)] = plain / scaled[i];
  }
  return out;
}

class GgufFamilies : public ::testing::TestWithParam<std::string> {
 protected:
  GgufFamilies() {
    // A GGUF file has no keys for these.
    if (GetParam() == "qwen3_moe") golden_.config.moe.dense_layers.clear();
    golden_.config.rope.mscale = golden_.config.rope.mscale_all_dim;
    weights_ = FamilyGoldenWeights(golden_.config);
    Tensors tensors = TensorsOf(golden_.config, weights_);
    if (golden_.config.rope.kind == RopeKind::kLlama3) {
      tensors.emplace_back("rope_freqs.weight", RopeDivisors(golden_));
    }
    folder_.Write("model.gguf", FileOf(Metadata(golden_.config), tensors));
  }

  FamilyGolden golden_ = ReadFamilyGolden(GetParam());
  WeightMap weights_;
  base::TemporaryFolder folder_;
  const GgufFile& file() {
    static thread_local std::optional<GgufFile> file;
    return file.emplace(folder_.path() / "model.gguf");
  }
};
INSTANTIATE_TEST_SUITE_P(Families, GgufFamilies,
                         ::testing::Values("llama", "llama3_rope", "qwen2", "qwen3_yarn",
                                           "qwen3_moe", "mixtral", "deepseek_v2",
                                           "deepseek_v2_greedy", "deepseek_v3"),
                         [](const auto& info) { return info.param; });

TEST_P(GgufFamilies, HaveTheConfigOfTheirHuggingFaceFolder) {
  ModelConfig found = GgufConfig(file());
  EXPECT_NEAR(found.norm_eps, golden_.config.norm_eps, 1e-7 * golden_.config.norm_eps);  // fp32
  found.norm_eps = golden_.config.norm_eps;
  found.bos_id = golden_.config.bos_id;  // the tokenizer's, which this file lacks
  found.eos_ids = golden_.config.eos_ids;
  if (GetParam() == "mixtral") found.ffn_width = golden_.config.ffn_width;
  EXPECT_EQ(ConfigToJson(found, Dtype::kFloat32), ConfigToJson(golden_.config, Dtype::kFloat32));
  EXPECT_TRUE(found == golden_.config);
}

TEST_P(GgufFamilies, HaveTheWeightsOfTheirHuggingFaceFolder) {
  const GgufFile gguf = file();
  const ModelConfig config = GgufConfig(gguf);
  const WeightMap found = GgufWeights(gguf, config, Dtype::kFloat32).TakeAll();
  ASSERT_EQ(found.size(), weights_.size());
  GgufWeights one_by_one(gguf, config, Dtype::kFloat32);
  for (const auto& [name, weight] : weights_) {
    EXPECT_TRUE(at::equal(found.at(name), weight)) << name;
    if (name.find(".experts.") == std::string::npos) continue;
    for (int64_t e = 0; e < weight.size(0); ++e) {
      EXPECT_TRUE(at::equal(one_by_one.TakeExpert(name, {e, weight.size(0)}), weight[e])) << name;
    }
  }
}

std::string ErrorOf(const GgufBytes& metadata, const Tensors& tensors) {
  const base::TemporaryFolder folder;
  folder.Write("model.gguf", FileOf(metadata, tensors));
  try {
    const GgufFile file(folder.path() / "model.gguf");
    GgufWeights(file, GgufConfig(file), Dtype::kFloat32);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    return std::string(error.what()) + " | " + error.hint();
  }
  return "no error";
}

void ExpectPart(const std::string& error, const std::string& part) {
  EXPECT_NE(error.find(part), std::string::npos) << error;
}

TEST(GgufFamily, IsRefusedWithRotaryFactorsThatAreNotLlama3s) {
  const FamilyGolden golden = ReadFamilyGolden("llama3_rope");
  Tensors tensors = TensorsOf(golden.config, FamilyGoldenWeights(golden.config));
  at::Tensor divisors = RopeDivisors(golden);
  divisors[0] = 3.0;
  tensors.emplace_back("rope_freqs.weight", divisors);
  ExpectPart(ErrorOf(Metadata(golden.config), tensors), "does not scale positions as Llama 3");
  tensors.back().second = at::ones({3});
  ExpectPart(ErrorOf(Metadata(golden.config), tensors), "'rope_freqs.weight' has 3 values");
}

TEST(GgufFamily, IsRefusedWithBiasesThatItsFamilyHasNot) {
  const FamilyGolden golden = ReadFamilyGolden("llama");
  Tensors tensors = TensorsOf(golden.config, FamilyGoldenWeights(golden.config));
  tensors.emplace_back("blk.0.attn_q.bias", at::zeros({golden.config.width}));
  ExpectPart(ErrorOf(Metadata(golden.config), tensors), "1 unexpected: model.layers.0.self_attn.q");
  tensors.back().first = "blk.0.attn_sinks.weight";
  ExpectPart(ErrorOf(Metadata(golden.config), tensors), "'blk.0.attn_sinks.weight' is not one");
}

TEST(GgufFamily, IsRefusedWithHalfOfItsExperts) {
  const FamilyGolden golden = ReadFamilyGolden("mixtral");
  Tensors tensors = TensorsOf(golden.config, FamilyGoldenWeights(golden.config));
  std::erase_if(tensors, [](const auto& item) { return item.first == "blk.1.ffn_up_exps.weight"; });
  ExpectPart(ErrorOf(Metadata(golden.config), tensors), "model.layers.1.mlp.experts.gate_up_proj");
}

TEST(GgufFamily, IsRefusedWithAGateThatIsNeitherSigmoidNorSoftmax) {
  GgufBytes metadata;
  metadata.Text("general.architecture", "deepseek2").Integer("deepseek2.expert_gating_func", 3);
  ExpectPart(ErrorOf(metadata, {}), "deepseek2.expert_gating_func is 3; expected 1");
}

TEST(GgufFamily, IsRefusedWithHeadsThatAreAllRotated) {
  ModelConfig config = ReadFamilyGolden("deepseek_v3").config;
  const Tensors tensors = TensorsOf(config, FamilyGoldenWeights(config));
  config.attention.qk_nope_head_dim = 0;
  ExpectPart(ErrorOf(Metadata(config), tensors),
             "deepseek2.attention.key_length_mla is 8; expected");
}

TEST(GgufFamily, IsRefusedWhereLlamaCppsArchitectureIsAnother) {
  GgufBytes metadata;
  metadata.Text("general.architecture", "gemma3");
  ExpectPart(ErrorOf(metadata, {}), "architecture 'gemma3' is not supported | supported: llama");
}

// gguf-py's add_chat_template: the unnamed one, and each other under its name.
TEST(GgufModel, HasTheChatTemplatesThatItsFileNames) {
  const FamilyGolden golden = ReadFamilyGolden("llama");
  GgufBytes metadata = Metadata(golden.config);
  std::vector<std::string> tokens;
  std::vector<float> scores;
  for (int64_t id = 0; id < golden.config.vocab_size; ++id) {
    tokens.push_back("t" + std::to_string(id));
    scores.push_back(-static_cast<float>(id));
  }
  metadata.Text("tokenizer.ggml.model", "llama")
      .Texts("tokenizer.ggml.tokens", tokens)
      .Floats("tokenizer.ggml.scores", scores)
      .Integers("tokenizer.ggml.token_type", std::vector<int32_t>(tokens.size(), 1))
      .Text("tokenizer.chat_template", "D")
      .Text("tokenizer.chat_template.tool_use", "T")
      .Text("tokenizer.chat_template.rag", "R")
      .Texts("tokenizer.chat_templates", {"tool_use", "rag"});
  const base::TemporaryFolder folder;
  folder.Write("model.gguf",
               FileOf(metadata, TensorsOf(golden.config, FamilyGoldenWeights(golden.config))));
  const Model model = ReadGguf(GgufFile(folder.path() / "model.gguf"));
  const TemplateInputs tools{{{{"name", "f"}}}, nullptr};
  EXPECT_EQ(TemplateFor(model, {}).source(), "D");
  EXPECT_EQ(TemplateFor(model, tools).source(), "T");
  EXPECT_EQ(TemplateFor(model, {nullptr, nullptr, "rag"}).source(), "R");
}

}  // namespace
}  // namespace cohort::policy
