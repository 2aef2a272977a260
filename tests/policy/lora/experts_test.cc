// Adapters of every linear layer, the routed experts' among them, against fp64 arithmetic on the
// merged weights (tests/golden/policy/families/README.md).

#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/lora/frozen_base.h"
#include "policy/lora/lora.h"
#include "policy/lora/merge.h"
#include "policy/lora/peft.h"
#include "policy/weights/safetensors.h"
#include "tests/policy/golden_model.h"
#include "tests/policy/transformer/golden_gradients.h"

namespace cohort::policy {
namespace {

using Sequences = std::vector<std::vector<int32_t>>;

at::Tensor LogprobsOf(Transformer& policy, const Sequences& sequences) {
  const PackedTokens tokens = Pack(sequences);
  const NextTokens next = FindNextTokens(tokens);
  return ComputeTokenLogprobs(policy(tokens).index_select(0, next.rows_N), policy->head(),
                              next.targets_N, 1.0)
      .logprobs_N;
}

Sequences SequencesOf(const nlohmann::json& golden) {
  Sequences sequences;
  for (const nlohmann::json& sequence : golden.at("sequences")) {
    sequences.push_back(sequence.at("ids").get<std::vector<int32_t>>());
  }
  return sequences;
}

at::Tensor LogprobsIn(const nlohmann::json& golden) {
  std::vector<at::Tensor> parts;
  for (const nlohmann::json& sequence : golden.at("sequences")) {
    parts.push_back(torch::tensor(sequence.at("logprobs").get<std::vector<double>>(), at::kDouble));
  }
  return at::cat(parts);
}

// Writes PEFT's own adapter of a family, drawn from its names; gives its golden.
nlohmann::json WriteAdapterOfPeft(const std::string& family, const base::TemporaryFolder& folder) {
  auto peft = nlohmann::json::parse(
      base::ReadFile(std::string(COHORT_GOLDEN_DIR) + "/policy/families/" + family + ".peft.json"));
  folder.Write("adapter_config.json", peft.at("adapter_config").dump());
  std::vector<NamedTensor> tensors;
  for (const auto& [name, shape] : peft.at("tensors").items()) {
    tensors.push_back(
        {name, DrawFromName(name, shape.get<std::vector<int64_t>>()), Dtype::kFloat32});
  }
  WriteSafetensors(folder.path() / "adapter_model.safetensors", tensors);
  return peft;
}

class ExpertLora : public ::testing::TestWithParam<std::string> {
 protected:
  ExpertLora()
      : expected_(nlohmann::json::parse(base::ReadFile(
            std::string(COHORT_GOLDEN_DIR) + "/policy/families/" + GetParam() + ".lora.json"))),
        config_{expected_.at("rank"), expected_.at("alpha"), {kAllLinear}},
        sequences_(SequencesOf(expected_)) {
    AttachLora(*policy_, config_, 1);
    WeightMap drawn;
    for (const auto& [name, weight] : LoraWeights(*policy_)) {
      drawn[name] = DrawFromName(name, weight.sizes().vec());
    }
    LoadLoraWeights(*policy_, drawn);
  }

  at::Tensor Logprobs(Transformer& policy) const { return LogprobsOf(policy, sequences_); }
  at::Tensor ExpectedLogprobs() const { return LogprobsIn(expected_); }

  FamilyGolden golden_ = ReadFamilyGolden(GetParam());
  nlohmann::json expected_;
  LoraConfig config_;
  Sequences sequences_;
  Transformer policy_ = MakeTransformer(golden_.config, FamilyGoldenWeights(golden_.config));
};
INSTANTIATE_TEST_SUITE_P(Families, ExpertLora,
                         ::testing::Values("mixtral", "deepseek_v3", "qwen2_moe"),
                         [](const auto& info) { return info.param; });

TEST_P(ExpertLora, GivesTheLogprobsOfTheMergedModel) {
  const at::NoGradGuard no_grad;
  EXPECT_LT(LargestDifference(Logprobs(policy_), ExpectedLogprobs()), 2e-4);
  Transformer merged = MakeTransformer(golden_.config, MergedWeights(*policy_));
  EXPECT_LT(LargestDifference(Logprobs(merged), ExpectedLogprobs()), 2e-4);
}

TEST_P(ExpertLora, GivesTheLossAndTheGradientOfEveryAdapter) {
  const at::Tensor loss = (-Logprobs(policy_)).mean();
  EXPECT_NEAR(loss.item<double>(), expected_.at("loss").get<double>(), 2e-5);
  loss.backward();
  // Gradients in the place of the values, to see them under the adapters' names.
  for (at::Tensor& parameter : policy_->parameters()) {
    EXPECT_EQ(parameter.grad().defined(), parameter.requires_grad());
    if (parameter.requires_grad()) parameter.set_data(parameter.grad().clone());
  }
  const WeightMap gradients = LoraWeights(*policy_);
  EXPECT_EQ(gradients.size(), expected_.at("gradients").size());
  for (const auto& [name, gradient] : gradients) {
    ASSERT_TRUE(expected_.at("gradients").contains(name)) << name;
    ExpectGradient(name, gradient, expected_.at("gradients").at(name));
  }
}

// What a worker does that was given base and adapters, tensor by tensor and expert by expert.
TEST_P(ExpertLora, BaseAndAdaptersTakenOneByOneHaveTheBitsOfTheMergedWeights) {
  const at::NoGradGuard no_grad;
  const WeightMap adapters = LoraWeights(*policy_);
  CheckAdapters(adapters, golden_.config);
  AdaptedWeights source(FamilyGoldenWeights(golden_.config), adapters, config_.scale(),
                        golden_.config);
  for (const auto& [name, merged] : MergedWeights(*policy_)) {
    if (name.find(".experts.") == std::string::npos) {
      EXPECT_TRUE(at::equal(source.Take(name), merged)) << name;
      continue;
    }
    for (int64_t e = 0; e < merged.size(0); ++e) {
      EXPECT_TRUE(at::equal(source.TakeExpert(name, {e, merged.size(0)}), merged[e])) << name << e;
    }
  }
  EXPECT_FALSE(source.Take("model.layers.0.mlp.nothing").defined());
  for (const auto& [name, merged] : source.TakeAll()) {
    EXPECT_TRUE(at::equal(merged, MergedWeights(*policy_).at(name))) << name;
  }
}

TEST_P(ExpertLora, OfABaseInBf16TheSumsAreTheMergedWeightsInFp32) {
  const at::NoGradGuard no_grad;
  KeepBase(*policy_, BaseFormat::kBFloat16);
  AdaptedWeights source(policy_->Weights(), LoraWeights(*policy_), config_.scale(), golden_.config);
  int in_fp32 = 0;
  for (const auto& [name, merged] : MergedWeights(*policy_)) {
    const at::Tensor sum = source.Take(name);
    EXPECT_TRUE(at::equal(sum.to(at::kFloat), merged.to(at::kFloat))) << name;
    in_fp32 += policy_->Weights().at(name).scalar_type() != sum.scalar_type() ? 1 : 0;
  }
  EXPECT_GT(in_fp32, 0);
}

TEST_P(ExpertLora, AdaptersThatDoNotFitTheModelAreRefusedByName) {
  const WeightMap adapters = LoraWeights(*policy_);
  const std::string name = adapters.begin()->first;
  const auto refusal = [&](const auto& change) {
    WeightMap changed = adapters;
    change(changed);
    try {
      CheckAdapters(changed, golden_.config);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      return std::string(error.what());
    }
    return std::string("none");
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(refusal([&](WeightMap& all) { all.erase(name); }), "one of its two matrices"));
  EXPECT_TRUE(has(refusal([&](WeightMap& all) { all[name] = torch::zeros({4, 3}); }), "shape"));
  EXPECT_TRUE(has(refusal([&](WeightMap& all) { all["model.norm.lora_A.weight"] = all[name]; }),
                  "has no weight in this model"));
  EXPECT_TRUE(has(refusal([&](WeightMap& all) { all["model.norm.weight"] = all[name]; }), "holds"));
}

TEST_P(ExpertLora, IsMergedFromItsFolder) {
  const at::NoGradGuard no_grad;
  const base::TemporaryFolder folder;
  WriteLoraAdapter({config_, LoraWeights(*policy_)}, golden_.config, "some/model", folder.path());
  WeightMap weights = FamilyGoldenWeights(golden_.config);
  const WeightMap before = weights;
  MergeLora(ReadLoraAdapter(folder.path(), golden_.config), golden_.config, &weights);
  for (const auto& [name, weight] : MergedWeights(*policy_)) {
    EXPECT_TRUE(at::equal(weights.at(name), weight)) << name;
  }
  // The model's own tensors are not written into.
  for (const auto& [name, weight] : FamilyGoldenWeights(golden_.config)) {
    EXPECT_TRUE(at::equal(before.at(name), weight)) << name;
  }
}

// PEFT itself writes the experts' adapters fused, and the router's.
TEST_P(ExpertLora, IsMergedFromAFolderOfPeftWithFusedExperts) {
  const at::NoGradGuard no_grad;
  const base::TemporaryFolder folder;
  const nlohmann::json peft = WriteAdapterOfPeft(GetParam(), folder);
  WeightMap weights = FamilyGoldenWeights(golden_.config);
  MergeLora(ReadLoraAdapter(folder.path(), golden_.config), golden_.config, &weights);
  Transformer merged = MakeTransformer(golden_.config, weights);
  EXPECT_LT(LargestDifference(Logprobs(merged), LogprobsIn(peft)), 2e-4);
}

TEST_P(ExpertLora, RefusesFusedExpertsOfAnotherModel) {
  const base::TemporaryFolder folder;
  folder.Write(
      "adapter_config.json",
      R"({"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_parameters": ["down_proj"]})");
  const std::string module = "base_model.model.model.layers.1.mlp.experts.";
  WriteSafetensors(folder.path() / "adapter_model.safetensors",
                   {{module + "lora_A.weight", at::ones({8, 7}), Dtype::kFloat32},
                    {module + "lora_B.weight", at::ones({9, 8}), Dtype::kFloat32}});
  try {
    ReadLoraAdapter(folder.path(), golden_.config);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("experts maps 7 to 9 values; the experts of this"),
              std::string::npos)
        << error.what();
  }
}

TEST_P(ExpertLora, HasTheNamesThatPeftGivesExpertsOfTheirOwn) {
  const base::TemporaryFolder folder;
  WriteLoraAdapter({config_, LoraWeights(*policy_)}, golden_.config, "some/model", folder.path());
  const SafetensorsFile file(folder.path() / "adapter_model.safetensors");
  const auto config = nlohmann::json::parse(base::ReadFile(folder.path() / "adapter_config.json"));
  const bool mixtral = GetParam() == "mixtral", qwen = GetParam() == "qwen2_moe";
  const std::string up = std::string("base_model.model.model.layers.2.") +
                         (mixtral ? "block_sparse_moe.experts.5.w3" : "mlp.experts.5.up_proj");
  const int64_t m = golden_.config.moe.expert_width;
  EXPECT_EQ(file.entries().at(up + ".lora_A.weight").shape,
            (std::vector<int64_t>{config_.rank, golden_.config.width}));
  EXPECT_EQ(file.entries().at(up + ".lora_B.weight").shape,
            (std::vector<int64_t>{m, config_.rank}));
  const nlohmann::json targets =
      mixtral ? nlohmann::json({"k_proj", "o_proj", "q_proj", "v_proj", "w1", "w2", "w3"})
      : qwen  ? nlohmann::json({"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj",
                                "shared_expert_gate", "up_proj", "v_proj"})
              : nlohmann::json({"down_proj", "gate_proj", "kv_a_proj_with_mqa", "kv_b_proj",
                                "o_proj", "q_a_proj", "q_b_proj", "up_proj"});
  EXPECT_EQ(config.at("target_modules"), targets);
  // PEFT with transformers 5 takes a target module's up_proj for the routed experts' alone.
  nlohmann::json parameters = nlohmann::json::array();
  for (const char* mlp :
       {"layers.0.mlp", "layers.1.mlp.shared_experts", "layers.2.mlp.shared_experts"}) {
    for (const char* kind : {"down_proj", "gate_proj", "up_proj"}) {
      if (GetParam() != "deepseek_v3") continue;
      parameters.push_back(std::string("model.") + mlp + "." + kind + ".weight");
    }
  }
  // It leaves qwen2_moe as it is: there the experts' parameters have to be named.
  if (qwen) parameters = {"mlp.experts.gate_up_proj", "mlp.experts.down_proj"};
  EXPECT_EQ(
      config.at("rank_pattern"),
      qwen ? nlohmann::json({{".*\\.gate_up_proj", 2 * config_.rank}}) : nlohmann::json::object());
  EXPECT_EQ(config.at("target_parameters"), parameters);
}

// gpt-oss: PEFT knows a layer's experts by two parameters alone, with gate and up in turn.
class InterleavedExpertLora : public ::testing::Test {
 protected:
  // An adapter drawn from its names, and the weights with it.
  LoraAdapter Draw(const std::vector<std::string>& targets) {
    Transformer policy = MakeTransformer(golden_.config, FamilyGoldenWeights(golden_.config));
    const LoraConfig config{3, 6, targets};
    AttachLora(*policy, config, 1);
    WeightMap drawn;
    for (const auto& [name, weight] : LoraWeights(*policy)) {
      drawn[name] = DrawFromName(name, weight.sizes().vec());
    }
    LoadLoraWeights(*policy, drawn);
    merged_ = MergedWeights(*policy);
    return {config, LoraWeights(*policy)};
  }

  void ExpectMergedFromFolder() const {
    const at::NoGradGuard no_grad;
    WeightMap weights = FamilyGoldenWeights(golden_.config);
    MergeLora(ReadLoraAdapter(folder_.path(), golden_.config), golden_.config, &weights);
    for (const auto& [name, weight] : merged_) {
      EXPECT_LT(LargestDifference(weights.at(name), weight), 1e-6) << name;
    }
  }

  const FamilyGolden golden_ = ReadFamilyGolden("gpt_oss");
  const base::TemporaryFolder folder_;
  WeightMap merged_;
};

TEST_F(InterleavedExpertLora, IsWrittenAsPeftHasItAndMergedFromThere) {
  WriteLoraAdapter(Draw({kAllLinear}), golden_.config, "some/model", folder_.path());
  const SafetensorsFile file(folder_.path() / "adapter_model.safetensors");
  const auto shape = [&](const char* name) {
    return file.entries().at("base_model.model.model.layers.0." + std::string(name)).shape;
  };
  using Shape = std::vector<int64_t>;
  // 6 experts of rank 3 each for gate and up; widths 32 and 12.
  EXPECT_EQ(shape("mlp.experts.base_layer.lora_A.weight"), (Shape{36, 32}));
  EXPECT_EQ(shape("mlp.experts.base_layer.lora_B.weight"), (Shape{24, 36}));
  EXPECT_EQ(shape("mlp.experts.lora_A.weight"), (Shape{18, 12}));
  EXPECT_EQ(shape("mlp.experts.lora_B.weight"), (Shape{32, 18}));
  EXPECT_EQ(file.entries().size(), 3u * 2 * 6);
  const auto config = nlohmann::json::parse(base::ReadFile(folder_.path() / "adapter_config.json"));
  EXPECT_EQ(config.at("target_modules"), nlohmann::json({"k_proj", "o_proj", "q_proj", "v_proj"}));
  EXPECT_EQ(config.at("target_parameters"),
            nlohmann::json({"mlp.experts.gate_up_proj", "mlp.experts.down_proj"}));
  EXPECT_EQ(config.at("rank_pattern"), nlohmann::json({{".*\\.gate_up_proj", 6}}));
  EXPECT_EQ(config.at("alpha_pattern"), nlohmann::json({{".*\\.gate_up_proj", 12}}));
  ExpectMergedFromFolder();
}

TEST_F(InterleavedExpertLora, OfPeftGivesThePeftModelsLogprobs) {
  const at::NoGradGuard no_grad;
  const nlohmann::json peft = WriteAdapterOfPeft("gpt_oss", folder_);
  WeightMap weights = FamilyGoldenWeights(golden_.config);
  MergeLora(ReadLoraAdapter(folder_.path(), golden_.config), golden_.config, &weights);
  Transformer merged = MakeTransformer(golden_.config, weights);
  EXPECT_LT(LargestDifference(LogprobsOf(merged, SequencesOf(peft)), LogprobsIn(peft)), 2e-4);
}

TEST_F(InterleavedExpertLora, OfSomeProjectionsIsMergedFromItsFolder) {
  for (const std::vector<std::string>& targets :
       {std::vector<std::string>{"up_proj"}, {"gate_proj", "down_proj"}, {"down_proj"}}) {
    WriteLoraAdapter(Draw(targets), golden_.config, "some/model", folder_.path());
    ExpectMergedFromFolder();
  }
}

TEST(ExpertLoraTargets, AdaptOneProjectionOfEveryExpert) {
  const FamilyGolden golden = ReadFamilyGolden("mixtral");
  Transformer policy = MakeTransformer(golden.config, FamilyGoldenWeights(golden.config));
  AttachLora(*policy, {.rank = 2, .alpha = 4, .targets = {"w2"}}, 1);
  EXPECT_EQ(LoraWeights(*policy).size(), 2u * 3 * 6);
}

TEST(ExpertLoraTargets, AreRefusedWhereTheyNameSomeExpertsAlone) {
  const FamilyGolden golden = ReadFamilyGolden("deepseek_v3");
  Transformer policy = MakeTransformer(golden.config, FamilyGoldenWeights(golden.config));
  try {
    AttachLora(*policy, {.targets = {"experts.3.up_proj"}}, 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("'experts.3.up_proj' names some experts of a layer"),
              std::string::npos)
        << error.what();
    EXPECT_NE(error.hint().find("up_proj"), std::string::npos);
  }
}

TEST(ExpertLoraTargets, AreRefusedWithTheNearestNameWhereTheyNameNothing) {
  const FamilyGolden golden = ReadFamilyGolden("deepseek_v3");
  Transformer policy = MakeTransformer(golden.config, FamilyGoldenWeights(golden.config));
  try {
    AttachLora(*policy, {.targets = {"upproj"}}, 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'up_proj'"), std::string::npos)
        << error.what();
  }
}

TEST(MergeLora, RefusesAnAdapterOfAnotherModelNamingTheNearestLayer) {
  const FamilyGolden golden = ReadFamilyGolden("mixtral");
  WeightMap weights = FamilyGoldenWeights(golden.config);
  LoraAdapter adapter{{.rank = 1, .targets = {"w9"}}, {}};
  adapter.weights["model.layers.0.block_sparse_moe.experts.0.w9.lora_A.weight"] = at::ones({1, 32});
  adapter.weights["model.layers.0.block_sparse_moe.experts.0.w9.lora_B.weight"] = at::ones({40, 1});
  try {
    MergeLora(adapter, golden.config, &weights);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("experts.0.w9 has no weight in this model; did you"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace cohort::policy
