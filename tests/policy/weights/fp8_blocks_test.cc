#include "policy/weights/fp8_blocks.h"

#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/model.h"
#include "tests/policy/family_golden.h"
#include "tests/policy/golden_model.h"

namespace cohort::policy {
namespace {

// Bytes of float8 tensors are compared as such: a NaN must equal itself.
at::Tensor Bytes(const at::Tensor& tensor) { return tensor.contiguous().view(at::kByte); }

// tests/golden/policy/README.md
const SafetensorsFile& GoldenBlocks() {
  static const SafetensorsFile file(COHORT_GOLDEN_DIR "/policy/fp8_blocks.safetensors");
  return file;
}

// 129 x 130: one whole block and three partial ones, the last of them all zeros; subnormal values
// beside large ones.
TEST(Fp8Blocks, GiveTheBytesOfTorchsCast) {
  const Fp8Matrix matrix = QuantizeFp8(GoldenBlocks().View("weight"));
  EXPECT_TRUE(at::equal(Bytes(matrix.values), Bytes(GoldenBlocks().View("values"))));
  EXPECT_TRUE(at::equal(matrix.scale_inv, GoldenBlocks().View("scale_inv")));
}

TEST(Fp8Blocks, DoNotDependOnStrides) {
  const at::Tensor weight = GoldenBlocks().View("weight");
  const Fp8Matrix matrix = QuantizeFp8(weight.t().contiguous().t());
  EXPECT_TRUE(at::equal(Bytes(matrix.values), Bytes(GoldenBlocks().View("values"))));
}

// e4m3 has 3 bits after the leading one: at most 1 / 16 of a normal value, and half of the
// smallest subnormal, 2^-10, of the block's scale.
TEST(Fp8Blocks, ComeBackWithinHalfAStep) {
  const at::Tensor weight = GoldenBlocks().View("weight").to(at::kFloat);
  const Fp8Matrix matrix = QuantizeFp8(weight);
  at::Tensor back = at::empty_like(weight);
  DequantizeFp8(matrix, back);
  const at::Tensor scale = matrix.scale_inv.repeat_interleave(kFp8Block, 0)
                               .repeat_interleave(kFp8Block, 1)
                               .narrow(0, 0, 129)
                               .narrow(1, 0, 130);
  const at::Tensor bound = at::max(weight.abs() / 16, scale * (1.0 / 1024)) * (1 + 1e-6);
  EXPECT_TRUE(((back - weight).abs() <= bound).all().item<bool>());
  // Dequantised values are quantised to themselves.
  EXPECT_TRUE(at::equal(Bytes(QuantizeFp8(back).values), Bytes(matrix.values)));
}

TEST(Fp8Folder, OfDeepSeeksFormGivesTheLogprobsOfTransformers) {
  const GoldenModel golden = ReadGoldenModel("tiny_fp8");
  EXPECT_LT(LargestDifference(GoldenLogprobs(golden, golden.config, golden.weights),
                              golden.expected.at("logprobs")),
            2e-5);
}

TEST(Fp8Folder, IsWrittenAsItWasRead) {
  const GoldenModel golden = ReadGoldenModel("tiny_fp8");
  const base::TemporaryFolder folder;
  SaveModel(ModelOf(golden), folder.path(), Dtype::kFloat8E4m3);
  const SafetensorsFile written(folder.path() / "model.safetensors");
  const SafetensorsFile published(golden.folder / "model.safetensors");
  ASSERT_EQ(written.entries().size(), published.entries().size());
  for (const auto& [name, entry] : published.entries()) {
    ASSERT_TRUE(written.entries().contains(name)) << name;
    const SafetensorsEntry& own = written.entries().at(name);
    EXPECT_EQ(own.shape, entry.shape) << name;
    EXPECT_EQ(own.dtype, entry.dtype == Dtype::kFloat8E8m0 ? Dtype::kFloat32 : entry.dtype) << name;
  }
  const WeightMap again =
      HuggingFaceWeights(folder.path(), golden.config, Dtype::kFloat32).TakeAll();
  for (const auto& [name, weight] : golden.weights) {
    EXPECT_LE(RelativeDifference(again.at(name), weight), 1.0 / 16) << name;
  }
}

TEST(Fp8Folder, StatesItsQuantizationAndIsReadBack) {
  const GoldenModel golden = ReadGoldenModel("tiny_fp8");
  const base::TemporaryFolder folder;
  SaveModel(ModelOf(golden), folder.path(), Dtype::kFloat8E4m3);
  const auto config = nlohmann::json::parse(base::ReadFile(folder.path() / "config.json"));
  EXPECT_EQ(config.at("torch_dtype"), "bfloat16");
  const nlohmann::json& quantization = config.at("quantization_config");
  EXPECT_EQ(quantization.at("quant_method"), "fp8");
  EXPECT_EQ(quantization.at("weight_block_size"), nlohmann::json({128, 128}));
  EXPECT_EQ(quantization.at("modules_to_not_convert"),
            nlohmann::json({"lm_head", "model.layers.1.mlp.gate"}));
  EXPECT_NO_THROW(ReadConfig(folder.path() / "config.json"));
}

// transformers 5 can leave a layer's experts in one tensor: a stack of matrices and of scales.
TEST(Fp8Folder, MayHoldItsExpertsFused) {
  const GoldenModel golden = ReadGoldenModel("tiny_fp8");
  WeightMap expected = golden.weights;
  std::vector<NamedTensor> tensors;
  for (auto& [name, weight] : expected) {
    if (name.find(".experts.") == std::string::npos) {
      tensors.push_back({name, weight, Dtype::kFloat32});
      continue;
    }
    std::vector<at::Tensor> values, scales;
    at::Tensor back = at::empty_like(weight);
    for (int64_t e = 0; e < weight.size(0); ++e) {
      const Fp8Matrix matrix = QuantizeFp8(weight[e]);
      DequantizeFp8(matrix, back[e]);
      values.push_back(matrix.values.view(at::kByte));
      scales.push_back(matrix.scale_inv);
    }
    tensors.push_back({name, at::stack(values).view(at::kFloat8_e4m3fn), Dtype::kFloat8E4m3});
    tensors.push_back({Fp8ScaleName(name), at::stack(scales), Dtype::kFloat32});
    weight = back;
  }
  ASSERT_GT(tensors.size(), expected.size());
  const base::TemporaryFolder folder;
  WriteSafetensors(folder.path() / "model.safetensors", tensors);
  HuggingFaceWeights weights(folder.path(), golden.config, Dtype::kFloat32);
  const WeightMap read = weights.TakeAll();
  for (const auto& [name, weight] : expected) {
    EXPECT_TRUE(at::equal(read.at(name), weight)) << name;
    if (name.find(".experts.") == std::string::npos) continue;
    EXPECT_TRUE(at::equal(weights.TakeExpert(name, {1, weight.size(0)}), weight[1])) << name;
  }
}

TEST(Fp8Folder, WithANormInFp8IsRefusedByName) {
  const GoldenModel golden = ReadGoldenModel("tiny_fp8");
  const base::TemporaryFolder folder;
  WriteSafetensors(
      folder.path() / "model.safetensors",
      {{"model.norm.weight", golden.weights.at("model.norm.weight"), Dtype::kFloat8E4m3}});
  try {
    HuggingFaceWeights(folder.path(), golden.config, Dtype::kFloat32).TakeAll();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("model.norm.weight is in FP8"), std::string::npos)
        << error.what();
  }
}

TEST(Fp8Folder, WithoutAScaleIsRefusedByName) {
  const GoldenModel golden = ReadGoldenModel("tiny_fp8");
  const base::TemporaryFolder folder;
  const SafetensorsFile published(golden.folder / "model.safetensors");
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : published.entries()) {
    if (name == "model.layers.0.mlp.down_proj.weight_scale_inv") continue;
    const at::Tensor view = published.View(name);
    const bool exponents = view.scalar_type() == at::kFloat8_e8m0fnu;
    tensors.push_back({name, view, exponents ? Dtype::kFloat32 : DtypeOfTorch(view.scalar_type())});
  }
  WriteSafetensors(folder.path() / "model.safetensors", tensors);
  try {
    HuggingFaceWeights(folder.path(), golden.config, Dtype::kFloat32).TakeAll();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(
        std::string(error.what()).find("1 missing: model.layers.0.mlp.down_proj.weight_scale_inv"),
        std::string::npos)
        << error.what();
  }
}

TEST(Fp8Folder, OfInterleavedExpertsIsRefusedNamingTheFamily) {
  const ModelConfig config = ReadFamilyGolden("gpt_oss").config;
  const base::TemporaryFolder folder;
  try {
    WriteHuggingFaceWeights(folder.path(), config, FamilyGoldenWeights(config), Dtype::kFloat8E4m3,
                            int64_t{1} << 30);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("the family 'gpt_oss' have no form in FP8"),
              std::string::npos)
        << error.what();
  }
}

TEST(Fp8Config, RefusesOtherQuantizationByName) {
  nlohmann::json config =
      nlohmann::json::parse(base::ReadFile(COHORT_GOLDEN_DIR "/policy/tiny_fp8/config.json"));
  const std::pair<const char*, nlohmann::json> changes[] = {{"quant_method", "gptq"},
                                                            {"fmt", "e5m2"},
                                                            {"weight_block_size", {1, 128}},
                                                            {"activation_scheme", "static"},
                                                            {"scale_fmt", "e8m1"}};
  for (const auto& [key, value] : changes) {
    nlohmann::json changed = config;
    changed["quantization_config"][key] = value;
    try {
      ParseConfig(changed, "config.json");
      FAIL() << "no error for " << key;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(std::string("quantization_config.") + key),
                std::string::npos)
          << error.what();
    }
  }
}

TEST(Fp8Shapes, AreMultiplesOf16WithPartialBlocksAndRefusedByNameElse) {
  ModelConfig config = ReadGoldenModel("tiny_fp8").config;
  config.width = 144;
  config.attention.q_lora_rank = 48;
  config.attention.qk_rope_head_dim = 16;
  config.moe.expert_width = config.moe.shared_width = 16;
  const ModelConfig fits = config;
  CheckFp8Shapes(config, "optimizer.precision: fp8");
  config.moe.expert_width = 24;
  try {
    CheckFp8Shapes(config, "optimizer.precision: fp8");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    const std::string what = error.what();
    EXPECT_NE(what.find("optimizer.precision: fp8"), std::string::npos) << what;
    EXPECT_NE(what.find("mlp.experts.gate_up_proj is of 24 x "), std::string::npos) << what;
  }
  // What stays in a higher precision may have any shape.
  config = fits;
  config.vocab_size = 1001;
  config.moe.num_experts = 7;
  CheckFp8Shapes(config, "optimizer.precision: fp8");
}

}  // namespace
}  // namespace cohort::policy
