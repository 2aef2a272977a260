#include "policy/upcycle.h"

#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "tests/policy/family_golden.h"
#include "tests/policy/golden_model.h"

namespace cohort::policy {
namespace {

// The golden's logprobs are what transformers computes on the dense model.
class UpcycledLlama : public ::testing::TestWithParam<const char*> {};

TEST_P(UpcycledLlama, GivesTheLogprobsOfTheDenseModel) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  const Model sparse = Upcycle(ModelOf(golden), ParseUpcycleOptions(GetParam()));
  EXPECT_LT(LargestDifference(GoldenLogprobs(golden, sparse.config, sparse.weights),
                              golden.expected.at("logprobs")),
            2e-5);
}

// The FFN has 24 units: 24, 12, 8, 6, and 5 with one unit of zeros.
INSTANTIATE_TEST_SUITE_P(
    Shapes, UpcycledLlama,
    ::testing::Values("experts=4,top_k=2", "experts=3,top_k=3", "experts=16,top_k=1,seed=9",
                      "experts=4,top_k=2,shared=1", "experts=6,top_k=3,shared=2",
                      "experts=4,top_k=1,shared=3", "experts=5,top_k=2,shared=4"));

ModelConfig Small(const std::string& family) {
  ModelConfig config = ReadGoldenModel("tiny_llama").config;
  config.family = family;
  config.attention.qkv_bias = family == "qwen2";
  config.attention.qk_norm = family == "qwen3" ? QkNorm::kHead : QkNorm::kNone;
  return config;
}

TEST(Upcycle, KeepsTheFunctionOfOtherFamilies) {
  GoldenModel golden = ReadGoldenModel("tiny_llama");  // its sequences
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"qwen2", "experts=4,top_k=2,shared=1", "glm4_moe"},
      {"qwen3", "experts=4,top_k=2", "qwen3_moe"},
      {"qwen3", "experts=4,top_k=2,shared=1", "glm4_moe"}};
  for (const auto& [family, options, expected_family] : cases) {
    golden.config = Small(family);
    golden.weights = InitialWeights(golden.config, 5);
    for (auto& [name, weight] : golden.weights) weight = weight + 0.1 * at::rand(weight.sizes());
    const Model sparse = Upcycle(ModelOf(golden), ParseUpcycleOptions(options));
    EXPECT_EQ(sparse.config.family, expected_family);
    EXPECT_LT(LargestDifference(GoldenLogprobs(golden, sparse.config, sparse.weights),
                                GoldenLogprobs(golden, golden.config, golden.weights)),
              2e-5)
        << family;
  }
}

// tests/golden/policy/README.md: transformers on the folder that `cohort convert` writes. With
// noise the experts differ, so that routing and weighing count.
TEST(Upcycle, WritesFoldersOnWhichTransformersComputesTheSame) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  const auto expected =
      nlohmann::json::parse(base::ReadFile(COHORT_GOLDEN_DIR "/policy/upcycled_llama.json"));
  for (const nlohmann::json& one : expected) {
    const auto text = one.at("upcycle").get<std::string>();
    const Model sparse = Upcycle(ModelOf(golden), ParseUpcycleOptions(text));
    const base::TemporaryFolder folder;
    SaveModel(sparse, folder.path());
    const ModelConfig config = ReadConfig(folder.path() / "config.json");
    const WeightMap weights = HuggingFaceWeights(folder.path(), config, Dtype::kFloat32).TakeAll();
    const at::Tensor logprobs =
        torch::tensor(one.at("logprobs").get<std::vector<float>>(), at::kFloat);
    EXPECT_LT(LargestDifference(GoldenLogprobs(golden, config, weights), logprobs), 2e-5) << text;
  }
}

// Every dense family: upcycled to the same function, or refused by its name.
class UpcycledFamily : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(UpcycledFamily, ComputesWhatTheDenseModelDoesOrIsRefused) {
  const auto& [name, expected_family] = GetParam();
  const FamilyGolden golden = ReadFamilyGolden(name);
  Model dense;
  dense.config = golden.config;
  dense.weights = FamilyGoldenWeights(golden.config);
  const UpcycleOptions options =
      ParseUpcycleOptions(golden.config.attention.qkv_bias || golden.config.attention.partly_rotated
                              ? "experts=4,top_k=2,shared=1"
                              : "experts=4,top_k=2");
  if (std::string(expected_family).empty()) {
    try {
      UpcycledConfig(dense.config, options);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(dense.config.family), std::string::npos);
    }
    return;
  }
  const Model sparse = Upcycle(dense, options);
  EXPECT_EQ(sparse.config.family, expected_family);
  const at::NoGradGuard no_grad;
  const auto hidden = [](const Model& model) {
    Transformer policy = MakeTransformer(model.config, model.weights);
    std::vector<int32_t> ids(90);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i * 7 % 64);
    return policy(Pack({ids}));
  };
  EXPECT_LT((hidden(sparse) - hidden(dense)).abs().max().item<double>(), 2e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Families, UpcycledFamily,
    ::testing::Values(std::pair{"llama", "mixtral"}, std::pair{"mistral_window", "mixtral"},
                      std::pair{"qwen2", "glm4_moe"}, std::pair{"qwen3_yarn", "qwen3_moe"},
                      std::pair{"phi3", "mixtral"}, std::pair{"seed_oss", "glm4_moe"},
                      std::pair{"qwen2_window", ""}, std::pair{"smollm3", ""},
                      std::pair{"granite", ""}, std::pair{"phi3_longrope", ""},
                      std::pair{"seed_oss_bias", ""}, std::pair{"olmo2", ""},
                      std::pair{"olmo3", ""}, std::pair{"gemma2", ""},
                      std::pair{"gemma3_text", ""}),
    [](const auto& info) { return info.param.first; });

TEST(Upcycle, DrawsRoutersFromTheSeed) {
  const Model dense = ModelOf(ReadGoldenModel("tiny_llama"));
  const std::string router = "model.layers.1.mlp.gate.weight";
  const auto draw = [&](const char* options) {
    return Upcycle(dense, ParseUpcycleOptions(options)).weights.at(router);
  };
  const at::Tensor first = draw("experts=4,top_k=2,seed=7");
  EXPECT_TRUE(at::equal(first, draw("experts=4,top_k=2,seed=7")));
  EXPECT_FALSE(at::equal(first, draw("experts=4,top_k=2,seed=8")));
}

TEST(Upcycle, NoiseTakesTheExpertsApart) {
  const Model dense = ModelOf(ReadGoldenModel("tiny_llama"));
  const std::string name = "model.layers.0.mlp.experts.down_proj";
  const Model exact = Upcycle(dense, ParseUpcycleOptions("experts=3,top_k=2"));
  EXPECT_TRUE(at::equal(exact.weights.at(name)[0], exact.weights.at(name)[2]));
  const Model noisy = Upcycle(dense, ParseUpcycleOptions("experts=3,top_k=2,noise=0.1"));
  const at::Tensor change = noisy.weights.at(name) - exact.weights.at(name);
  EXPECT_GT((change[0] - change[2]).abs().max().item<double>(), 0);
  const double deviation = exact.weights.at(name)[0].std().item<double>();
  EXPECT_NEAR(change.std().item<double>() / deviation, 0.1, 0.01);
}

TEST(Upcycle, RefusesByName) {
  const GoldenModel moe = ReadGoldenModel("tiny_moe");
  EXPECT_THROW(UpcycledConfig(moe.config, {.experts = 4, .top_k = 2}), Error);
  EXPECT_THROW(UpcycledConfig(Small("qwen2"), {.experts = 4, .top_k = 2}), Error);
  const std::pair<const char*, const char*> cases[] = {
      {"top_k=2", "experts is missing"},
      {"experts=4", "top_k is missing"},
      {"experts=4,top_k=5", "top_k is '5', expected a number from 1 to 4"},
      {"experts=1,top_k=1", "experts is '1'"},
      {"experts=4,top_k=2,nois=1", "unknown key 'nois'; did you mean 'noise'?"},
      {"experts=4,top_k=2,noise=nan", "noise is 'nan'"},
      {"experts=4,experts=5,top_k=2", "experts=NUMBER once"},
      {"experts,top_k=2", "experts=NUMBER once"}};
  for (const auto& [text, part] : cases) {
    try {
      ParseUpcycleOptions(text);
      FAIL() << text << " gave no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace cohort::policy
