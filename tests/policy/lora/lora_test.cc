#include "policy/lora/lora.h"

#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/lora/peft.h"
#include "tests/policy/golden_model.h"

namespace cohort::policy {
namespace {

const LoraConfig kConfig{.rank = 3, .alpha = 6, .targets = {"q_proj", "down_proj"}};

// An adapter that is no longer the fresh one, whose B is zero.
Transformer Adapted(const GoldenModel& golden, const LoraConfig& config) {
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  AttachLora(*policy, config, 4);
  WeightMap moved;
  at::manual_seed(3);
  for (const auto& [name, weight] : LoraWeights(*policy)) {
    moved[name] = weight + 0.1 * at::randn(weight.sizes());
  }
  LoadLoraWeights(*policy, moved);
  return policy;
}

at::Tensor Logprobs(Transformer& policy, const GoldenModel& golden) {
  const PackedTokens tokens = Pack(golden.sequences);
  const NextTokens next = FindNextTokens(tokens);
  return ComputeTokenLogprobs(policy(tokens).index_select(0, next.rows_N), policy->head(),
                              next.targets_N, 1.0)
      .logprobs_N;
}

class Lora : public ::testing::TestWithParam<const char*> {
 protected:
  GoldenModel golden_ = ReadGoldenModel(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Families, Lora, ::testing::Values("tiny_llama", "tiny_moe"),
                         [](const auto& info) { return info.param; });

TEST_P(Lora, ChangesNothingAtFirst) {
  Transformer policy = MakeTransformer(golden_.config, golden_.weights);
  AttachLora(*policy, kConfig, 4);
  EXPECT_LT(LargestDifference(Logprobs(policy, golden_).detach(), golden_.expected.at("logprobs")),
            2e-5);
}

TEST_P(Lora, TrainsTheAdaptersAlone) {
  Transformer policy = Adapted(golden_, kConfig);
  Logprobs(policy, golden_).sum().backward();
  for (const auto& item : policy->named_parameters()) {
    const bool adapter = item.key().find(".lora_") != std::string::npos;
    EXPECT_EQ(item.value().requires_grad(), adapter) << item.key();
    EXPECT_EQ(item.value().grad().defined(), adapter) << item.key();
  }
}

// d/dA and d/dB by the chain rule from the gradient of the merged weight W + s B A, which autograd
// gives in a model without adapters: s B^T dW and s dW A^T.
TEST_P(Lora, HasTheGradientOfTheMergedWeight) {
  for (const auto& targets : {kConfig.targets, {"q_proj"}}) {  // the experts adapted, or frozen
    LoraConfig config = kConfig;
    config.targets = targets;
    Transformer policy = Adapted(golden_, config);
    Logprobs(policy, golden_).sum().backward();
    Transformer merged = MakeTransformer(golden_.config, MergedWeights(*policy));
    Logprobs(merged, golden_).sum().backward();
    const auto of_merged = merged->named_parameters();
    const auto own = policy->named_parameters();
    size_t compared = 0;
    for (const auto& item : own) {
      const std::string& name = item.key();
      if (!name.ends_with(".lora_A.weight")) continue;  // an expert's: lora_experts_test.cc
      const std::string layer = name.substr(0, name.size() - std::string(".lora_A.weight").size());
      const at::Tensor gradient = of_merged[layer + ".weight"].grad();
      const at::Tensor &a = item.value(), &b = own[layer + ".lora_B.weight"];
      EXPECT_LT(RelativeDifference(a.grad(), config.scale() * b.detach().t().mm(gradient)), 1e-4)
          << layer;
      EXPECT_LT(RelativeDifference(b.grad(), config.scale() * gradient.mm(a.detach().t())), 1e-4)
          << layer;
      ++compared;
    }
    EXPECT_GE(compared, 2 * targets.size());
  }
}

TEST_P(Lora, MergedWeightsGiveTheSameLogprobs) {
  const at::NoGradGuard no_grad;
  Transformer policy = Adapted(golden_, kConfig);
  const at::Tensor adapted = Logprobs(policy, golden_);
  EXPECT_GT(LargestDifference(adapted, golden_.expected.at("logprobs")), 1e-3);
  EXPECT_LT(
      LargestDifference(GoldenLogprobs(golden_, golden_.config, MergedWeights(*policy)), adapted),
      2e-5);
  // The frozen weights are as they were.
  for (const auto& [name, weight] : policy->Weights()) {
    EXPECT_TRUE(at::equal(weight, golden_.weights.at(name))) << name;
  }
}

TEST_P(Lora, ComesBackFromItsFolder) {
  const at::NoGradGuard no_grad;
  Transformer policy = Adapted(golden_, kConfig);
  const base::TemporaryFolder folder;
  WriteLoraAdapter({kConfig, LoraWeights(*policy)}, golden_.config, "some/model",
                   folder.path() / "adapter");
  const LoraAdapter back = ReadLoraAdapter(folder.path() / "adapter", golden_.config);
  EXPECT_EQ(back.config.rank, kConfig.rank);
  EXPECT_EQ(back.config.alpha, kConfig.alpha);
  Transformer again = MakeTransformer(golden_.config, golden_.weights);
  AttachLora(*again, back.config, 99);
  LoadLoraWeights(*again, back.weights);
  EXPECT_TRUE(at::equal(Logprobs(again, golden_), Logprobs(policy, golden_)));
  WeightMap weights = golden_.weights;
  MergeLora(back, golden_.config, &weights);
  for (const auto& [name, weight] : MergedWeights(*policy)) {
    EXPECT_LT(LargestDifference(weights.at(name), weight), 1e-6) << name;
  }
}

// Runs as PEFT trained it, at the scale alpha / sqrt(rank) of each layer's own rank and alpha
// (tests/golden/policy/README.md), and is written as it was read.
TEST(LoraAdapter, OfPeftWithStabilisedRanksHasItsLogprobs) {
  const at::NoGradGuard no_grad;
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  const std::filesystem::path folder = COHORT_GOLDEN_DIR "/policy/peft_rslora";
  const auto expected = nlohmann::json::parse(base::ReadFile(folder / "expected.json"));
  const at::Tensor logprobs =
      torch::tensor(expected.at("logprobs").get<std::vector<double>>(), at::kDouble);
  const LoraAdapter adapter = ReadLoraAdapter(folder, golden.config);
  EXPECT_TRUE(adapter.config.rank_stabilised);
  EXPECT_EQ(adapter.config.dropout, 0.25);
  EXPECT_DOUBLE_EQ(adapter.config.scale(), 6 / 2.0);
  WeightMap merged = golden.weights;
  MergeLora(adapter, golden.config, &merged);
  EXPECT_LT(LargestDifference(GoldenLogprobs(golden, golden.config, merged), logprobs), 2e-5);

  // One rank for all leaves the adapter what it was.
  const LoraAdapter even = WithOneRank(adapter);
  EXPECT_EQ(even.config.rank, 4);
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  AttachLora(*policy, even);
  EXPECT_LT(LargestDifference(Logprobs(policy, golden), logprobs), 2e-5);

  const base::TemporaryFolder written;
  WriteLoraAdapter({even.config, LoraWeights(*policy)}, golden.config, "some/model",
                   written.path());
  const LoraAdapter again = ReadLoraAdapter(written.path(), golden.config);
  EXPECT_TRUE(again.config.rank_stabilised);
  EXPECT_EQ(again.config.dropout, 0.25);
  WeightMap twice = golden.weights;
  MergeLora(again, golden.config, &twice);
  EXPECT_LT(LargestDifference(GoldenLogprobs(golden, golden.config, twice), logprobs), 2e-5);
}

TEST(LoraAdapter, OfFewerRanksIsFilledUpWithZerosAtTheSameScale) {
  for (const bool stabilised : {false, true}) {
    LoraAdapter adapter;
    adapter.config = {.rank = 2, .alpha = 4, .targets = {"q_proj"}, .rank_stabilised = stabilised};
    adapter.weights = {{"a.lora_A.weight", at::ones({2, 5})},
                       {"a.lora_B.weight", at::ones({7, 2})},
                       {"b.lora_A.weight", at::ones({8, 5})},
                       {"b.lora_B.weight", at::ones({7, 8})}};
    const LoraAdapter even = WithOneRank(adapter);
    EXPECT_EQ(even.config.rank, 8);
    EXPECT_DOUBLE_EQ(even.config.scale(), adapter.config.scale());
    EXPECT_EQ(even.weights.at("a.lora_A.weight").sizes(), (std::vector<int64_t>{8, 5}));
    EXPECT_EQ(even.weights.at("a.lora_B.weight").sizes(), (std::vector<int64_t>{7, 8}));
    EXPECT_EQ(even.weights.at("a.lora_A.weight").sum().item<double>(), 10);
    EXPECT_EQ(even.weights.at("b.lora_B.weight").sum().item<double>(), 56);
  }
}

// A model of 671 billion parameters, of which none is made.
TEST(LoraAdapter, IsCheckedAgainstAModelsShapeAlone) {
  const ModelConfig config =
      ReadConfig(COHORT_GOLDEN_DIR "/../../recipes/configs/deepseek-v3.json");
  EXPECT_EQ(LoraModules(config, {"q_b_proj"}).size(), 61u);
  EXPECT_EQ(LoraModules(config, {"up_proj"}).size(), 3u + 58 * (256 + 1));
}

// The error of a target, and the name that it offers.
void ExpectNearest(const std::string& target, const std::string& name) {
  const GoldenModel golden = ReadGoldenModel("tiny_moe");
  try {
    LoraModules(golden.config, {"q_proj", target});
    FAIL() << "no error for " << target;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("'" + target + "' names no linear layer"),
              std::string::npos)
        << error.what();
    EXPECT_NE(std::string(error.what()).find("did you mean '" + name + "'"), std::string::npos)
        << error.what();
  }
}

TEST(LoraAdapter, ATargetOfNoLayerIsRefusedWithTheNearestName) {
  ExpectNearest("qproj", "q_proj");
  ExpectNearest("Q_PROJ", "q_proj");
  ExpectNearest("self_attn.qproj", "self_attn.q_proj");
  ExpectNearest("shared_expert.up_proj", "shared_experts.up_proj");
  ExpectNearest("layers.1.self_attn.o_prj", "layers.1.self_attn.o_proj");
  ExpectNearest("all_linear", "all-linear");
  ExpectNearest("model.layers.0.q_proj", "q_proj");
}

TEST(LoraAdapter, OfAnotherModelIsRefusedBeforeAWeightIsRead) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  const std::string layer = "model.layers.1.self_attn.";
  const auto check = [&](const std::string& module, int64_t in, int64_t rank) {
    CheckAdapter(golden.config, {{.rank = 2, .alpha = 4, .targets = {"q_proj"}},
                                 {{module + ".lora_A.weight", at::ones({rank, in})},
                                  {module + ".lora_B.weight", at::ones({16, rank})}}});
  };
  const auto refusal = [&](const std::string& module, int64_t in, int64_t rank) {
    try {
      check(module, in, rank);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(refusal(layer + "q_prj", 16, 2).find("did you mean '" + layer + "q_proj'"),
            std::string::npos);
  EXPECT_NE(refusal(layer + "o_proj", 17, 2).find("has another shape"), std::string::npos);
  EXPECT_NE(refusal(layer + "o_proj", 32, 3).find("has another shape"), std::string::npos);
}

// github.com/huggingface/peft, docs/source/developer_guides/checkpoint.md: the names and shapes of
// adapter_model.safetensors, the keys of adapter_config.json.
TEST(LoraAdapter, HasTheNamesOfPeft) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  Transformer policy = Adapted(golden, {.rank = 2, .alpha = 4, .targets = {kAllLinear}});
  const base::TemporaryFolder folder;
  WriteLoraAdapter({{.rank = 2, .alpha = 4, .targets = {kAllLinear}}, LoraWeights(*policy)},
                   golden.config, "base", folder.path());
  const SafetensorsFile file(folder.path() / "adapter_model.safetensors");
  EXPECT_EQ(file.entries().size(), 2u * 2 * 7);
  const std::string layer = "base_model.model.model.layers.1.mlp.down_proj.";
  EXPECT_EQ(file.entries().at(layer + "lora_A.weight").shape, (std::vector<int64_t>{2, 24}));
  EXPECT_EQ(file.entries().at(layer + "lora_B.weight").shape, (std::vector<int64_t>{16, 2}));
  const auto config = nlohmann::json::parse(base::ReadFile(folder.path() / "adapter_config.json"));
  EXPECT_EQ(config.at("peft_type"), "LORA");
  EXPECT_EQ(config.at("task_type"), "CAUSAL_LM");
  EXPECT_EQ(config.at("r"), 2);
  EXPECT_EQ(config.at("lora_alpha"), 4.0);
  EXPECT_EQ(config.at("target_modules"), nlohmann::json({"down_proj", "gate_proj", "k_proj",
                                                         "o_proj", "q_proj", "up_proj", "v_proj"}));
  EXPECT_EQ(config.at("base_model_name_or_path"), "base");
}

TEST(LoraAdapter, DrawsAUniformlyAndBAsZero) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  AttachLora(*policy, {.rank = 64, .alpha = 1, .targets = {"down_proj"}}, 4);
  const WeightMap adapters = LoraWeights(*policy);
  const at::Tensor a = adapters.at("model.layers.0.mlp.down_proj.lora_A.weight");
  const double bound = 1 / std::sqrt(24.0);
  EXPECT_LE(a.abs().max().item<double>(), bound);
  EXPECT_NEAR(a.std().item<double>(), bound / std::sqrt(3.0), 0.01);
  EXPECT_EQ(adapters.at("model.layers.0.mlp.down_proj.lora_B.weight").abs().max().item<double>(),
            0);
}

TEST(LoraAdapter, MayAdaptTheHead) {
  const at::NoGradGuard no_grad;
  const GoldenModel golden = ReadGoldenModel("tiny_moe");
  Transformer policy = Adapted(golden, {.rank = 2, .alpha = 4, .targets = {"lm_head"}});
  const at::Tensor adapted = Logprobs(policy, golden);
  EXPECT_GT(LargestDifference(adapted, golden.expected.at("logprobs")), 1e-3);
  EXPECT_LT(
      LargestDifference(GoldenLogprobs(golden, golden.config, MergedWeights(*policy)), adapted),
      2e-5);
}

TEST(LoraAdapter, RefusesATargetThatNamesNoLinearLayer) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  try {
    AttachLora(*policy, {.targets = {"q_proj", "qproj"}}, 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("'qproj' names no linear layer"), std::string::npos);
    EXPECT_NE(error.hint().find("down_proj"), std::string::npos);
  }
}

// peft/utils/other.py, get_pattern_key: a pattern names the end of a module's name, from a dot on.
TEST(LoraAdapter, GivesModulesTheRanksAndAlphasOfTheirPatterns) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  const base::TemporaryFolder folder;
  folder.Write(
      "adapter_config.json",
      R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"],
                   "rank_pattern": {"layers\\.1\\.self_attn\\.q_proj": 3, "proj": 5},
                   "alpha_pattern": {"q_proj": 12}})");
  const std::string layer = "base_model.model.model.layers.1.self_attn.";
  const auto write = [&](int64_t rank) {
    WriteSafetensors(folder.path() / "adapter_model.safetensors",
                     {{layer + "q_proj.lora_A.weight", at::ones({rank, 16}), Dtype::kFloat32},
                      {layer + "q_proj.lora_B.weight", at::ones({16, rank}), Dtype::kFloat32},
                      {layer + "v_proj.lora_A.weight", at::ones({2, 16}), Dtype::kFloat32},
                      {layer + "v_proj.lora_B.weight", at::ones({8, 2}), Dtype::kFloat32}});
  };
  write(3);
  const LoraAdapter adapter = ReadLoraAdapter(folder.path(), golden.config);
  const std::string own = "model.layers.1.self_attn.";
  EXPECT_TRUE(at::equal(adapter.weights.at(own + "q_proj.lora_B.weight"),
                        at::full({16, 3}, (12.0 / 3) / (4.0 / 2))));
  EXPECT_TRUE(at::equal(adapter.weights.at(own + "v_proj.lora_B.weight"), at::ones({8, 2})));
  write(2);
  EXPECT_THROW(ReadLoraAdapter(folder.path(), golden.config), Error);
}

TEST(LoraAdapter, RefusesHalfAnAdapter) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  const base::TemporaryFolder folder;
  folder.Write("adapter_config.json",
               R"({"peft_type": "LORA", "r": 2, "target_modules": "q_proj"})");
  WriteSafetensors(folder.path() / "adapter_model.safetensors",
                   {{"base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight",
                     at::ones({2, 16}), Dtype::kFloat32}});
  try {
    ReadLoraAdapter(folder.path(), golden.config);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(
        std::string(error.what()).find("q_proj has no tensor base_model.model.model.layers.1"),
        std::string::npos)
        << error.what();
  }
}

TEST(LoraAdapter, RefusesWhatPeftDoesAndItDoesNot) {
  const std::pair<const char*, const char*> cases[] = {{"bias", R"("all")"},
                                                       {"use_dora", "true"},
                                                       {"lora_dropout", "1.5"},
                                                       {"peft_type", R"("IA3")"},
                                                       {"modules_to_save", R"(["lm_head"])"}};
  for (const auto& [key, value] : cases) {
    const base::TemporaryFolder folder;
    nlohmann::json config = {
        {"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 4}, {"target_modules", {"q_proj"}}};
    config[key] = nlohmann::json::parse(value);
    folder.Write("adapter_config.json", config.dump());
    try {
      ReadLoraAdapter(folder.path(), ModelConfig{});
      FAIL() << "no error for " << key;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace cohort::policy
