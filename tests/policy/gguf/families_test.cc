// Every architecture of llama.cpp that is read: files that its converter would write from the small
// models of tests/golden/policy/families, proven to be those by tests/golden/policy/gguf.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/gguf/config.h"
#include "policy/gguf/weights.h"
#include "policy/gguf_model.h"
#include "policy/prompt_encoding.h"
#include "tests/policy/family_golden.h"
#include "tests/policy/gguf/bytes.h"
#include "tests/policy/gguf/converter.h"

namespace cohort::policy {
namespace {

using Tensors = std::vector<ConvertedTensor>;

class GgufFamilies : public ::testing::TestWithParam<std::string> {
 protected:
  GgufFamilies() { folder_.Write("model.gguf", GgufFileOf(golden_.Metadata(), golden_.tensors)); }

  GgufGolden golden_ = ReadGgufGolden(GetParam());
  base::TemporaryFolder folder_;
  const GgufFile& file() {
    static thread_local std::optional<GgufFile> file;
    return file.emplace(folder_.path() / "model.gguf");
  }
};
INSTANTIATE_TEST_SUITE_P(Families, GgufFamilies,
                         ::testing::Values("llama", "llama3_rope", "llama_linear", "qwen2",
                                           "qwen3_yarn", "qwen3_moe", "mixtral", "deepseek_v2",
                                           "deepseek_v2_greedy", "deepseek_v3", "deepseek_v32",
                                           "olmo2", "olmo3", "olmoe", "gemma2", "gemma3_text",
                                           "phi3", "phi3_longrope", "smollm3", "gpt_oss",
                                           "gpt_oss_mxfp4", "qwen2_moe", "seed_oss", "granite",
                                           "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text",
                                           "glm4_moe", "glm4_moe_partial"),
                         [](const auto& info) { return info.param; });

TEST_P(GgufFamilies, AreWhatLlamaCppsConverterWrites) {
  const nlohmann::json& expected = golden_.expected["tensors"];
  ASSERT_EQ(golden_.tensors.size(), expected.size());
  for (const ConvertedTensor& tensor : golden_.tensors) {
    const nlohmann::json& entry = expected[tensor.name];
    const at::Tensor& shape = tensor.shape_only.defined() ? tensor.shape_only : tensor.values;
    EXPECT_EQ(shape.sizes().vec(), entry[1].get<std::vector<int64_t>>()) << tensor.name;
    for (int i = 0; i < 2; ++i) {
      const at::Tensor signs =
          DrawFromName(tensor.name + "#" + std::to_string(i), tensor.values.sizes().vec())
                  .ge(0)
                  .to(at::kDouble) *
              2 -
          1;
      const double found = (signs * tensor.values.to(at::kDouble)).sum().item<double>();
      EXPECT_NEAR(found, entry[2][i], 1e-6 * (1 + std::abs(found))) << tensor.name;
    }
  }
}

TEST_P(GgufFamilies, HaveTheConfigOfTheirHuggingFaceFolder) {
  ModelConfig found = GgufConfig(file());
  found.bos_id = golden_.config.bos_id;  // the tokenizer's, which this file lacks
  found.eos_ids = golden_.config.eos_ids;
  found.pad_id = golden_.config.pad_id;
  EXPECT_EQ(ConfigToJson(found, Dtype::kFloat32), ConfigToJson(golden_.config, Dtype::kFloat32));
  EXPECT_TRUE(found == golden_.config);
}

TEST_P(GgufFamilies, HaveTheWeightsOfTheirHuggingFaceFolder) {
  const GgufFile gguf = file();
  const ModelConfig config = GgufConfig(gguf);
  const WeightMap found = GgufWeights(gguf, config, Dtype::kFloat32).TakeAll();
  ASSERT_EQ(found.size(), golden_.weights.size());
  GgufWeights one_by_one(gguf, config, Dtype::kFloat32);
  for (const auto& [name, weight] : golden_.weights) {
    // The converter's 1 + weight and -exp(weight) are rounded.
    const bool rounded =
        (config.norm_adds_one && name.ends_with("norm.weight")) || name.ends_with(".A_log");
    EXPECT_TRUE(at::allclose(found.at(name), weight, 0, rounded ? 3e-7 : 0)) << name;
    if (name.find(".experts.") == std::string::npos || weight.dim() != 3) continue;
    for (int64_t e = 0; e < weight.size(0); ++e) {
      EXPECT_TRUE(at::equal(one_by_one.TakeExpert(name, {e, weight.size(0)}), weight[e])) << name;
    }
  }
}

// The error that a file gives.
std::string ErrorOf(const GgufBytes& metadata, const Tensors& tensors) {
  const base::TemporaryFolder folder;
  folder.Write("model.gguf", GgufFileOf(metadata, tensors));
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

// The golden file with other metadata, tensors or both.
std::string ErrorOfChanged(const std::string& name,
                           const std::function<void(GgufGolden*)>& change) {
  GgufGolden golden = ReadGgufGolden(name);
  change(&golden);
  return ErrorOf(golden.Metadata(), golden.tensors);
}

std::string ErrorWith(const std::string& name, const std::string& key,
                      const nlohmann::json& entry) {
  return ErrorOfChanged(name,
                        [&](GgufGolden* golden) { golden->expected["metadata"][key] = entry; });
}

ConvertedTensor* Find(GgufGolden* golden, const std::string& name) {
  for (ConvertedTensor& tensor : golden->tensors) {
    if (tensor.name == name) return &tensor;
  }
  ADD_FAILURE() << name;
  return nullptr;
}

TEST(GgufFamily, IsRefusedWithRotaryFactorsThatAreNotLlama3s) {
  const auto error_of = [](const std::function<void(at::Tensor*)>& change) {
    return ErrorOfChanged("llama3_rope", [&](GgufGolden* golden) {
      change(&Find(golden, "rope_freqs.weight")->values);
    });
  };
  ExpectPart(error_of([](at::Tensor* divisors) { (*divisors)[0] = 3.0; }),
             "does not scale positions as Llama 3");
  ExpectPart(error_of([](at::Tensor* divisors) { *divisors = at::ones({3}); }),
             "'rope_freqs.weight' has 3 values");
}

TEST(GgufFamily, IsRefusedWithBiasesThatItsFamilyHasNot) {
  ExpectPart(ErrorOfChanged("llama",
                            [](GgufGolden* golden) {
                              golden->tensors.push_back({"blk.0.attn_q.bias", at::zeros({32}), {}});
                            }),
             "1 unexpected: model.layers.0.self_attn.q");
  ExpectPart(
      ErrorOfChanged("llama",
                     [](GgufGolden* golden) {
                       golden->tensors.push_back({"blk.0.attn_sinks.weight", at::zeros({4}), {}});
                     }),
      "1 unexpected: model.layers.0.self_attn.sinks");
  ExpectPart(ErrorOfChanged(
                 "llama",
                 [](GgufGolden* golden) {
                   golden->tensors.push_back({"blk.0.attn_rot_embd.weight", at::zeros({4}), {}});
                 }),
             "'blk.0.attn_rot_embd.weight' is not one");
}

TEST(GgufFamily, IsRefusedWithHalfOfItsExperts) {
  ExpectPart(ErrorOfChanged("mixtral",
                            [](GgufGolden* golden) {
                              std::erase_if(golden->tensors, [](const ConvertedTensor& tensor) {
                                return tensor.name == "blk.1.ffn_up_exps.weight";
                              });
                            }),
             "model.layers.1.mlp.experts.gate_up_proj");
}

TEST(GgufFamily, IsRefusedWithTwoTensorsOfOnePlace) {
  ExpectPart(ErrorOfChanged(
                 "deepseek_v3",
                 [](GgufGolden* golden) {
                   golden->tensors.push_back({"blk.1.attn_kv_b.weight", at::zeros({64, 20}), {}});
                 }),
             "'blk.1.attn_k_b.weight' and 'blk.1.attn_kv_b.weight' are both "
             "model.layers.1.self_attn.kv_b");
}

TEST(GgufFamily, IsRefusedWithAGateThatIsNeitherSigmoidNorSoftmax) {
  GgufBytes metadata;
  metadata.Text("general.architecture", "deepseek2").Integer("deepseek2.expert_gating_func", 3);
  ExpectPart(ErrorOf(metadata, {}), "deepseek2.expert_gating_func is 3; expected 1");
  ExpectPart(ErrorWith("glm4_moe", "glm4moe.expert_gating_func", {"uint32", 1}),
             "glm4moe.expert_gating_func is 1 (softmax); expected 2");
}

TEST(GgufFamily, IsRefusedWithHeadsThatAreAllRotated) {
  ExpectPart(ErrorWith("deepseek_v3", "deepseek2.attention.key_length_mla", {"uint32", 8}),
             "deepseek2.attention.key_length_mla is 8; expected");
}

TEST(GgufFamily, IsRefusedWhereLlamaCppsArchitectureIsAnother) {
  GgufBytes metadata;
  metadata.Text("general.architecture", "gemma4");
  ExpectPart(ErrorOf(metadata, {}), "architecture 'gemma4' is not supported | supported: llama");
}

TEST(GgufFamily, IsRefusedWithMetadataThatDoesNotFit) {
  ExpectPart(
      ErrorWith("olmo3", "olmo2.attention.sliding_window_pattern", {"[bool]", {true, false}}),
      "olmo2.attention.sliding_window_pattern is of 2 layers; expected 3");
  ExpectPart(ErrorWith("olmo3", "olmo2.attention.sliding_window_pattern", {"string", "all"}),
             "'olmo2.attention.sliding_window_pattern' is no integer");
  ExpectPart(ErrorWith("qwen3_next", "qwen3next.ssm.inner_size", {"uint32", 33}),
             "qwen3next.ssm.inner_size is 33; expected a multiple of qwen3next.ssm.time_step_rank");
  ExpectPart(ErrorWith("gemma2", "gemma2.rope.freq_base_swa", {"float32", 20000.0}),
             "gemma2.rope.freq_base_swa is another than gemma2.rope.freq_base");
  ExpectPart(ErrorWith("llama", "llama.rope.dimension_count", {"uint32", 4}),
             "llama.rope.dimension_count is 4, but heads are 8 wide");
  ExpectPart(ErrorWith("llama", "llama.attention.causal", {"bool", false}),
             "llama.attention.causal is false");
  ExpectPart(ErrorWith("llama", "llama.final_logit_softcapping", {"float32", 30.0}),
             "final_logit_softcapping");
  ExpectPart(ErrorWith("llama", "llama.attention.sliding_window", {"uint32", 24}),
             "sliding_window");
  ExpectPart(ErrorWith("llama", "llama.nextn_predict_layers", {"uint32", 3}),
             "llama.nextn_predict_layers is 3; expected 0 to 2");
  ExpectPart(ErrorOfChanged("phi3_longrope",
                            [](GgufGolden* golden) {
                              Find(golden, "rope_factors_long.weight")->values = at::ones({5});
                            }),
             "'rope_factors_long.weight' has 5 values; expected one for each of 6");
}

TEST(GgufFamily, AnIndexerUnderTheNameOfDeepSeekV3IsRefused) {
  GgufGolden golden = ReadGgufGolden("deepseek_v32");
  nlohmann::json renamed = nlohmann::json::object();
  const std::string from = "deepseek32.", to = "deepseek2.";
  for (const auto& [key, value] : golden.expected.at("metadata").items()) {
    if (key.find(".indexer.") != std::string::npos) continue;
    renamed[key.starts_with(from) ? to + key.substr(from.size()) : key] = value;
  }
  renamed["general.architecture"] = {"string", "deepseek2"};
  golden.expected["metadata"] = renamed;
  ExpectPart(ErrorOf(golden.Metadata(), golden.tensors),
             "general.architecture is 'deepseek2'; expected 'deepseek32': the file has 15 tensors "
             "of the indexer");
}

TEST(GgufFamily, LeavesOutMultiTokenPredictionLayersAndSaysSo) {
  GgufGolden golden = ReadGgufGolden("glm4_moe");
  golden.expected["metadata"]["glm4moe.block_count"] = {"uint32", 4};
  golden.expected["metadata"]["glm4moe.nextn_predict_layers"] = {"uint32", 1};
  golden.tensors.push_back({"blk.3.nextn.eh_proj.weight", at::zeros({32, 64}), {}});
  golden.tensors.push_back({"blk.3.attn_q.weight", at::zeros({40, 32}), {}});
  const base::TemporaryFolder folder;
  folder.Write("model.gguf", GgufFileOf(golden.Metadata(), golden.tensors));
  const GgufFile file(folder.path() / "model.gguf");
  const ModelConfig config = GgufConfig(file);
  EXPECT_EQ(config.num_layers, 3);
  EXPECT_EQ(config.num_mtp_layers, 0);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(GgufWeights(file, config, Dtype::kFloat32).TakeAll().size(), golden.weights.size());
  ExpectPart(::testing::internal::GetCapturedStderr(),
             "leaving out the 2 tensors of its multi-token");
  // Beyond block_count they are a mistake.
  ExpectPart(
      ErrorOfChanged("glm4_moe",
                     [](GgufGolden* other) {
                       other->tensors.push_back({"blk.3.attn_q.weight", at::zeros({40, 32}), {}});
                     }),
      "1 unexpected: model.layers.3.self_attn.q_proj.weight");
}

WeightMap WeightsOf(const GgufGolden& golden) {
  const base::TemporaryFolder folder;
  folder.Write("model.gguf", GgufFileOf(golden.Metadata(), golden.tensors));
  const GgufFile file(folder.path() / "model.gguf");
  return GgufWeights(file, GgufConfig(file), Dtype::kFloat32).TakeAll();
}

// Older files: the shared expert's gate is a vector, and the projections of a gated delta net are
// one matrix as in the folder (llama.cpp's src/models/qwen3next.cpp).
TEST(GgufFamily, IsReadFromOlderFilesToo) {
  GgufGolden golden = ReadGgufGolden("qwen3_next");
  for (ConvertedTensor& tensor : golden.tensors) {
    if (tensor.name.ends_with("ffn_gate_inp_shexp.weight")) tensor.values = tensor.values[0];
  }
  std::erase_if(golden.tensors, [](const ConvertedTensor& tensor) {
    return tensor.name == "blk.0.attn_qkv.weight" || tensor.name == "blk.0.attn_gate.weight";
  });
  const std::string whole = "model.layers.0.linear_attn.in_proj_qkvz.weight";
  const std::string gate = "model.layers.0.mlp.shared_expert_gate.weight";
  golden.tensors.push_back({"blk.0.ssm_in.weight", golden.weights.at(whole), {}});
  const WeightMap found = WeightsOf(golden);
  EXPECT_TRUE(at::equal(found.at(whole), golden.weights.at(whole)));
  EXPECT_TRUE(at::equal(found.at(gate), golden.weights.at(gate)));
}

// llama.cpp's rule for the two that have it: of the largest model hidden_size / heads.
TEST(GgufFamily, OfTheLargestGemmaScalesScoresByTheWidthOfAllHeads) {
  GgufBytes metadata;
  const std::string name = "gemma2";
  metadata.Text("general.architecture", name)
      .Integer(name + ".block_count", 46)
      .Integer(name + ".context_length", 64)
      .Integer(name + ".embedding_length", 32)
      .Integer(name + ".feed_forward_length", 40)
      .Integer(name + ".attention.head_count", 4)
      .Integer(name + ".attention.head_count_kv", 2)
      .Integer(name + ".attention.key_length", 12)
      .Integer(name + ".attention.value_length", 12)
      .Number(name + ".attention.layer_norm_rms_epsilon", 1e-6F);
  const base::TemporaryFolder folder;
  folder.Write("model.gguf",
               GgufFileOf(metadata, {{"token_embd.weight", at::zeros({64, 32}), {}}}));
  const ModelConfig config = GgufConfig(GgufFile(folder.path() / "model.gguf"));
  EXPECT_DOUBLE_EQ(config.attention.scale, 1 / std::sqrt(8.0));
  EXPECT_EQ(config.attention.WindowOf(0), 4096);
  EXPECT_EQ(config.attention.WindowOf(45), 0);
}

// gguf-py's add_chat_template: the unnamed one, and each other under its name.
TEST(GgufModel, HasTheChatTemplatesThatItsFileNames) {
  const GgufGolden golden = ReadGgufGolden("llama");
  GgufBytes metadata = golden.Metadata();
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
  folder.Write("model.gguf", GgufFileOf(metadata, golden.tensors));
  const Model model = ReadGguf(GgufFile(folder.path() / "model.gguf"));
  const TemplateInputs tools{{{{"name", "f"}}}, nullptr};
  EXPECT_EQ(TemplateFor(model, {}).source(), "D");
  EXPECT_EQ(TemplateFor(model, tools).source(), "T");
  EXPECT_EQ(TemplateFor(model, {nullptr, nullptr, "rag"}).source(), "R");
}

}  // namespace
}  // namespace cohort::policy
