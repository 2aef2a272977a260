#include "policy/weights/huggingface_weights.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/weights/safetensors.h"
#include "policy/weights/stored_tensors.h"
#include "tests/policy/family_golden.h"

namespace cohort::policy {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kOneShard = int64_t{1} << 30;

class ModelFolder : public ::testing::TestWithParam<std::string> {
 protected:
  std::string RefusalOf(const ModelConfig& config) const {
    try {
      HuggingFaceWeights(folder_, config, Dtype::kFloat32).TakeAll();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      return error.what();
    }
    return "no error";
  }

  const base::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

using FamilyFolder = ModelFolder;

class ModelFolderPlain : public ::testing::Test {
 protected:
  const ModelConfig config_ = ReadFamilyGolden("llama").config;
  const WeightMap weights_ = FamilyGoldenWeights(config_);
  const base::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

TEST_P(FamilyFolder, HasTheTensorsThatTransformersWrites) {
  const FamilyGolden golden = ReadFamilyGolden(GetParam());
  WriteHuggingFaceWeights(folder_, golden.config, FamilyGoldenWeights(golden.config),
                          Dtype::kFloat32, kOneShard);
  nlohmann::json written = nlohmann::json::object();
  const SafetensorsFile file(folder_ / "model.safetensors");
  for (const auto& [name, entry] : file.entries()) {
    written[name] = entry.shape;
  }
  EXPECT_EQ(written, golden.expected.at("tensors"));
}

TEST_P(FamilyFolder, IsReadAsItWasWritten) {
  const ModelConfig config = ReadFamilyGolden(GetParam()).config;
  const WeightMap weights = FamilyGoldenWeights(config);
  WriteHuggingFaceWeights(folder_, config, weights, Dtype::kFloat32, /*max_shard_bytes=*/5000);
  const WeightMap read = HuggingFaceWeights(folder_, config, Dtype::kFloat32).TakeAll();
  ASSERT_EQ(read.size(), weights.size());
  for (const auto& [name, tensor] : weights) EXPECT_TRUE(at::equal(read.at(name), tensor)) << name;
}

TEST_F(ModelFolderPlain, TheSingleFileWinsOverAnIndexAsInTransformers) {
  WriteHuggingFaceWeights(folder_, config_, weights_, Dtype::kFloat32, kOneShard);
  base::WriteFileDurably(folder_ / "model.safetensors.index.json",
                         R"({"weight_map": {"x": "not-there.safetensors"}})");
  EXPECT_EQ(HuggingFaceWeights(folder_, config_, Dtype::kFloat32).TakeAll().size(),
            weights_.size());
}

TEST_F(ModelFolderPlain, AValueHeadThatIsLeftOverIsLeftOut) {
  WriteHuggingFaceWeights(folder_, config_, weights_, Dtype::kFloat32, /*max_shard_bytes=*/5000);
  auto index = nlohmann::json::parse(base::ReadFile(folder_ / "model.safetensors.index.json"));
  index["weight_map"]["v_head.summary.weight"] = "head.safetensors";
  base::WriteFileDurably(folder_ / "model.safetensors.index.json", index.dump());
  WriteSafetensors(folder_ / "head.safetensors",
                   {{"v_head.summary.weight", at::ones({1, 4}), Dtype::kFloat32}});
  EXPECT_EQ(HuggingFaceWeights(folder_, config_, Dtype::kFloat32).TakeAll().size(),
            weights_.size());
}

TEST_P(FamilyFolder, GivesEachExpertAlone) {
  const ModelConfig config = ReadFamilyGolden(GetParam()).config;
  const WeightMap weights = FamilyGoldenWeights(config);
  WriteHuggingFaceWeights(folder_, config, weights, Dtype::kFloat32, kOneShard);
  HuggingFaceWeights folder(folder_, config, Dtype::kFloat32);
  for (const auto& [name, tensor] : weights) {
    if (!name.ends_with(".experts.gate_up_proj") && !name.ends_with(".experts.down_proj")) continue;
    const at::Tensor expert = folder.TakeExpert(name, {1, config.moe.num_experts});
    EXPECT_TRUE(at::equal(expert, tensor[1])) << name;
  }
}

// save_pretrained(save_original_format=False) of transformers 5.
TEST_P(FamilyFolder, IsReadWithExpertsLeftFused) {
  const ModelConfig config = ReadFamilyGolden(GetParam()).config;
  const WeightMap weights = FamilyGoldenWeights(config);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : weights) {
    const std::vector<StoredTensor> stored = StoredTensors(config, name, tensor);
    if (stored.size() > 1 && name.find(".experts.") != std::string::npos) {
      tensors.push_back({name, tensor, Dtype::kFloat32});
      continue;
    }
    for (const StoredTensor& part : stored) {
      tensors.push_back({part.name, part.part, Dtype::kFloat32, part.shape});
    }
  }
  WriteSafetensors(folder_ / "model.safetensors", tensors);
  const WeightMap read = HuggingFaceWeights(folder_, config, Dtype::kFloat32).TakeAll();
  for (const auto& [name, tensor] : weights) EXPECT_TRUE(at::equal(read.at(name), tensor)) << name;
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyFolder, ::testing::ValuesIn(FamilyGoldenNames()),
                         [](const auto& info) { return info.param; });

// The names of Qwen/Qwen3.5-4B: a text model beside a vision model and a block that predicts
// several tokens.
TEST_F(ModelFolderPlain, ATextModelIsTakenOutOfAFolderThatSeesImagesAndTheRestIsNamed) {
  const ModelConfig config = ReadFamilyGolden("qwen3_5_text").config;
  const WeightMap weights = FamilyGoldenWeights(config);
  std::vector<NamedTensor> tensors = {
      {"model.visual.patch_embed.proj.weight", at::ones({2, 3}), Dtype::kFloat32},
      {"model.visual.blocks.0.norm1.bias", at::ones({2}), Dtype::kFloat32},
      {"mtp.fc.weight", at::ones({2, 4}), Dtype::kFloat32}};
  for (const auto& [name, tensor] : weights) {
    const std::string rest = name.substr(std::string("model.").size());
    tensors.push_back({"model.language_model." + rest, tensor, Dtype::kFloat32});
  }
  WriteSafetensors(folder_ / "model.safetensors", tensors);
  ::testing::internal::CaptureStderr();
  const WeightMap read = HuggingFaceWeights(folder_, config, Dtype::kFloat32).TakeAll();
  const std::string notes = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(notes, HasSubstr("leaving out 2 tensors of the vision model"));
  EXPECT_THAT(notes, HasSubstr("leaving out 1 tensors of multi-token-prediction layers"));
  ASSERT_EQ(read.size(), weights.size());
  for (const auto& [name, tensor] : weights) EXPECT_TRUE(at::equal(read.at(name), tensor)) << name;
}

TEST_F(ModelFolderPlain, AnotherFamilysFolderMayHoldNoVisionModel) {
  std::vector<NamedTensor> tensors = {{"model.visual.x", at::ones({2}), Dtype::kFloat32}};
  for (const auto& [name, tensor] : weights_) tensors.push_back({name, tensor, Dtype::kFloat32});
  WriteSafetensors(folder_ / "model.safetensors", tensors);
  EXPECT_THROW(HuggingFaceWeights(folder_, config_, Dtype::kFloat32), Error);
}

// GptOssExperts of transformers: x @ gate_up_proj, then gate_up[..., ::2] and gate_up[..., 1::2].
TEST(InterleavedFolder, HasInputsByOutputsWithGateAndUpInTurn) {
  const ModelConfig config = ReadFamilyGolden("gpt_oss").config;
  const WeightMap weights = FamilyGoldenWeights(config);
  const base::TemporaryFolder folder;
  WriteHuggingFaceWeights(folder.path(), config, weights, Dtype::kFloat32, kOneShard);
  const SafetensorsFile file(folder.path() / "model.safetensors");
  const std::string experts = "model.layers.1.mlp.experts.";
  const auto column = [](const at::Tensor& x, int64_t first) {
    return x.slice(-1, first, std::nullopt, 2);
  };
  const int64_t m = config.moe.expert_width;
  const at::Tensor both = file.View(experts + "gate_up_proj");
  const at::Tensor both_bias = file.View(experts + "gate_up_proj_bias");
  for (const int64_t up : {0, 1}) {
    EXPECT_TRUE(
        at::equal(column(both, up),
                  weights.at(experts + "gate_up_proj").narrow(1, up * m, m).transpose(1, 2)));
    EXPECT_TRUE(at::equal(column(both_bias, up),
                          weights.at(experts + "gate_up_proj_bias").narrow(1, up * m, m)));
  }
  EXPECT_TRUE(at::equal(file.View(experts + "down_proj"),
                        weights.at(experts + "down_proj").transpose(1, 2)));
  EXPECT_TRUE(at::equal(file.View("model.layers.1.mlp.router.bias"),
                        weights.at("model.layers.1.mlp.gate.bias")));
}

class DamagedFolder : public ModelFolder {
 protected:
  DamagedFolder() : config_(ReadFamilyGolden("mixtral").config) {
    for (const auto& [name, tensor] : FamilyGoldenWeights(config_)) {
      for (const StoredTensor& stored : StoredTensors(config_, name, tensor)) {
        tensors_[stored.name] = stored.part;
      }
    }
  }
  void Write() const {
    std::vector<NamedTensor> list;
    for (const auto& [name, tensor] : tensors_) list.push_back({name, tensor, Dtype::kFloat32});
    WriteSafetensors(folder_ / "model.safetensors", list);
  }

  ModelConfig config_;
  WeightMap tensors_;
};

TEST_F(DamagedFolder, IsRefusedWithTheNearestNamesOfWhatIsMissing) {
  auto moved = tensors_.extract("model.layers.1.self_attn.q_proj.weight");
  moved.key() = "model.layers.1.self_attn.query_proj.weight";
  tensors_.insert(std::move(moved));
  Write();
  const std::string message = RefusalOf(config_);
  EXPECT_THAT(message, HasSubstr("1 missing: model.layers.1.self_attn.q_proj.weight (nearest: "
                                 "model.layers.1.self_attn.query_proj.weight)"));
  EXPECT_THAT(message, HasSubstr("1 unexpected: model.layers.1.self_attn.query_proj.weight"));
}

TEST_F(DamagedFolder, IsRefusedWithTheFirstFiveNamesAndTheCount) {
  for (int expert = 0; expert < 6; ++expert) {
    tensors_.erase("model.layers.2.block_sparse_moe.experts." + std::to_string(expert) +
                   ".w2.weight");
  }
  Write();
  const std::string message = RefusalOf(config_);
  EXPECT_THAT(message, HasSubstr("6 missing: model.layers.2.block_sparse_moe.experts.0.w2.weight"));
  EXPECT_THAT(message, HasSubstr("experts.4.w2.weight, ..."));
  EXPECT_EQ(message.find("experts.5.w2"), std::string::npos);
}

TEST_F(DamagedFolder, IsRefusedWithTheShapesThatDiffer) {
  tensors_["model.norm.weight"] = at::ones({31});
  Write();
  EXPECT_THAT(RefusalOf(config_),
              HasSubstr("1 of another shape: model.norm.weight [31], expected [32]"));
}

class MtpFolder : public ModelFolder {
 protected:
  MtpFolder() { config_.num_mtp_layers = 2; }
  WeightMap Write() const {
    const WeightMap weights = FamilyGoldenWeights(config_);
    WriteHuggingFaceWeights(folder_, config_, weights, Dtype::kFloat32, kOneShard);
    return weights;
  }

  ModelConfig config_ = ReadFamilyGolden("deepseek_v3").config;  // 3 layers
};

// README_WEIGHTS.md of deepseek-ai/DeepSeek-V3.
TEST_F(MtpFolder, HasTheNamesOfDeepSeeksMultiTokenPredictionModule) {
  Write();
  const SafetensorsFile file(folder_ / "model.safetensors");
  for (const char* name :
       {"embed_tokens.weight", "enorm.weight", "hnorm.weight", "eh_proj.weight",
        "self_attn.kv_b_proj.weight", "mlp.experts.7.gate_proj.weight",
        "mlp.gate.e_score_correction_bias", "shared_head.norm.weight", "shared_head.head.weight"}) {
    EXPECT_TRUE(file.entries().contains(std::string("model.layers.4.") + name)) << name;
  }
  EXPECT_TRUE(at::equal(file.View("model.layers.3.embed_tokens.weight"),
                        file.View("model.embed_tokens.weight")));
  EXPECT_TRUE(
      at::equal(file.View("model.layers.3.shared_head.head.weight"), file.View("lm_head.weight")));
}

TEST_F(MtpFolder, IsReadAsItWasWritten) {
  const WeightMap weights = Write();
  const WeightMap read =
      HuggingFaceWeights(folder_, config_, Dtype::kFloat32, MtpLayers::kLoad).TakeAll();
  ASSERT_EQ(read.size(), weights.size());
  for (const auto& [name, tensor] : weights) EXPECT_TRUE(at::equal(read.at(name), tensor)) << name;
}

TEST_F(MtpFolder, IsReadWithoutItsMultiTokenPredictionLayersAndSaysSo) {
  Write();
  ::testing::internal::CaptureStderr();
  const WeightMap weights = HuggingFaceWeights(folder_, config_, Dtype::kFloat32).TakeAll();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("tensors of multi-token-prediction layers"));
  EXPECT_NO_THROW(CheckWeights(WithoutMtpLayers(config_), weights, "the folder"));
}

TEST_F(MtpFolder, IsRefusedWhenTheConfigDoesNotAnnounceItsLayers) {
  Write();
  config_.num_mtp_layers = 1;
  EXPECT_THAT(RefusalOf(config_), HasSubstr("unexpected: model.layers.4.e"));
}

TEST_F(MtpFolder, MayAnnounceLayersThatItDoesNotHold) {
  const ModelConfig without = WithoutMtpLayers(config_);
  WriteHuggingFaceWeights(folder_, without, FamilyGoldenWeights(without), Dtype::kFloat32,
                          kOneShard);
  EXPECT_FALSE(HoldsMtpLayers(folder_, config_));
  EXPECT_NO_THROW(HuggingFaceWeights(folder_, config_, Dtype::kFloat32).TakeAll());
  Write();
  EXPECT_TRUE(HoldsMtpLayers(folder_, config_));
}

}  // namespace
}  // namespace cohort::policy
