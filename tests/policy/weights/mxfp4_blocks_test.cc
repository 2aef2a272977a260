#include "policy/weights/mxfp4_blocks.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/weights/huggingface_weights.h"
#include "policy/weights/safetensors.h"
#include "tests/policy/family_golden.h"

namespace cohort::policy {
namespace {

using ::testing::HasSubstr;

at::Tensor Bytes(const nlohmann::json& list, at::IntArrayRef shape) {
  const auto values = list.get<std::vector<uint8_t>>();
  const at::Tensor out = at::empty(shape, at::kByte);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<uint8_t>());
  return out;
}

struct GoldenBlocks {
  Mxfp4Matrix matrix;
  at::Tensor values;
};

// tests/golden/policy/README.md
GoldenBlocks ReadGoldenBlocks() {
  const auto golden = nlohmann::json::parse(base::ReadFile(COHORT_GOLDEN_DIR "/policy/mxfp4.json"));
  const auto shape = golden.at("shape").get<std::vector<int64_t>>();
  const auto values = golden.at("values").get<std::vector<float>>();
  GoldenBlocks out{{Bytes(golden.at("blocks"), Mxfp4BlocksShape(shape)),
                    Bytes(golden.at("scales"), Mxfp4ScalesShape(shape))},
                   at::empty(shape)};
  std::copy(values.begin(), values.end(), out.values.mutable_data_ptr<float>());
  return out;
}

TEST(Mxfp4Blocks, GiveTheNumbersThatTransformersMakesOfThem) {
  const GoldenBlocks golden = ReadGoldenBlocks();
  at::Tensor found = at::full_like(golden.values, NAN);
  DequantizeMxfp4(golden.matrix, found);
  EXPECT_TRUE(at::equal(found, golden.values));
}

// Table 5 of OCP Microscaling Formats v1.0: e2m1, the first number in the low half.
TEST(Mxfp4Blocks, HaveTheNumbersOfTheStandard) {
  at::Tensor blocks = at::zeros({1, 16}, at::kByte);
  for (uint8_t i = 0; i < 8; ++i) {
    blocks[0][i] = static_cast<int64_t>(2 * i | (2 * i + 1) << 4);
  }
  const at::Tensor scales = at::full({1}, 128, at::kByte);  // 2^1
  const at::Tensor found = at::empty({32});
  DequantizeMxfp4({blocks, scales}, found);
  const at::Tensor expected = at::zeros({32});
  const float values[] = {0, 1, 2, 3, 4, 6, 8, 12};
  for (int64_t i = 0; i < 8; ++i) {
    expected[i] = values[i];
    expected[i + 8] = -values[i];
  }
  EXPECT_TRUE(at::equal(found, expected)) << found;
}

TEST(Mxfp4Blocks, GoIntoViewsOfAnyStridesAndDtype) {
  const GoldenBlocks golden = ReadGoldenBlocks();
  const std::vector<int64_t> sizes = golden.values.sizes().vec();
  const at::Tensor out =
      at::empty({sizes[2], sizes[0], sizes[1]}, at::kBFloat16).permute({1, 2, 0});
  DequantizeMxfp4(golden.matrix, out);
  EXPECT_TRUE(at::equal(out, golden.values.to(at::kBFloat16)));
}

// Rows enough to be unpacked in several parts.
TEST(Mxfp4Blocks, OfManyRowsAreThoseOfEachRow) {
  const std::vector<int64_t> shape = {3, 150, 64};
  const at::Tensor blocks = at::randint(0, 256, Mxfp4BlocksShape(shape), at::kByte);
  const at::Tensor scales = at::randint(110, 140, Mxfp4ScalesShape(shape), at::kByte);
  const at::Tensor whole = at::empty(shape);
  DequantizeMxfp4({blocks, scales}, whole);
  for (const int64_t e : {0, 2}) {
    for (const int64_t row : {0, 63, 64, 149}) {
      const at::Tensor alone = at::empty({64});
      DequantizeMxfp4({blocks[e][row], scales[e][row]}, alone);
      EXPECT_TRUE(at::equal(whole[e][row], alone)) << e << " " << row;
    }
  }
}

// A folder as openai/gpt-oss-20b has it, of a small model.
class Mxfp4Folder : public ::testing::Test {
 protected:
  Mxfp4Folder() {
    config_.moe.expert_width = 64;
    at::manual_seed(5);
    for (const auto& [name, weight] : FamilyGoldenWeights(config_)) {
      weights_[name] = weight.to(at::kBFloat16).to(at::kFloat);
    }
    WriteHuggingFaceWeights(folder_, config_, weights_, Dtype::kBFloat16, int64_t{1} << 30);
    const SafetensorsFile plain(folder_ / "model.safetensors");
    for (const auto& [name, entry] : plain.entries()) {
      tensors_[name] = {name, plain.View(name).clone(), Dtype::kBFloat16};
    }
    for (int layer = 0; layer < 3; ++layer) {
      const std::string experts = "model.layers." + std::to_string(layer) + ".mlp.experts.";
      PutBlocks(experts + "gate_up_proj", /*in_turn=*/true);
      PutBlocks(experts + "down_proj", /*in_turn=*/false);
    }
  }

  // Draws the experts' bytes; weights_ becomes what they stand for.
  void PutBlocks(const std::string& name, bool in_turn) {
    at::Tensor& weight = weights_[name];
    const std::vector<int64_t> shape = weight.sizes().vec();
    const Mxfp4Matrix drawn{at::randint(0, 256, Mxfp4BlocksShape(shape), at::kByte),
                            at::randint(120, 126, Mxfp4ScalesShape(shape), at::kByte)};
    at::Tensor rows = at::empty(shape);
    DequantizeMxfp4(drawn, rows);
    if (in_turn) {  // row 2i is gate i, row 2i + 1 is up i
      rows = at::cat({rows.slice(1, 0, std::nullopt, 2), rows.slice(1, 1, std::nullopt, 2)}, 1);
    }
    weight = rows;
    tensors_.erase(name);
    Put(Mxfp4BlocksName(name), drawn.blocks);
    Put(Mxfp4ScalesName(name), drawn.scales);
  }
  void Put(const std::string& name, const at::Tensor& bytes) { bytes_[name] = bytes; }

  // WriteSafetensors writes no U8: the file is put together here.
  void Write() const {
    nlohmann::ordered_json header;
    std::string data;
    const auto add = [&](const std::string& name, const char* dtype, const at::Tensor& tensor) {
      const at::Tensor whole = tensor.contiguous();
      const size_t begin = data.size();
      data.append(static_cast<const char*>(whole.const_data_ptr()), whole.nbytes());
      header[name] = {
          {"dtype", dtype}, {"shape", whole.sizes().vec()}, {"data_offsets", {begin, data.size()}}};
    };
    for (const auto& [name, item] : tensors_) add(name, "BF16", item.tensor);
    for (const auto& [name, tensor] : bytes_) {
      add(name, tensor.scalar_type() == at::kByte ? "U8" : "F32", tensor);
    }
    const std::string text = header.dump();
    std::string file(8, '\0');
    for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
    base::WriteFileDurably(folder_ / "model.safetensors", file + text + data);
  }

  std::string Refusal() const {
    Write();
    try {
      HuggingFaceWeights(folder_, config_, Dtype::kFloat32).TakeAll();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      return error.what();
    }
    return "no error";
  }

  const base::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  ModelConfig config_ = ReadFamilyGolden("gpt_oss").config;
  WeightMap weights_;
  std::map<std::string, NamedTensor> tensors_;
  std::map<std::string, at::Tensor> bytes_;
};

constexpr char kDown[] = "model.layers.1.mlp.experts.down_proj";
constexpr char kGateUp[] = "model.layers.1.mlp.experts.gate_up_proj";

TEST_F(Mxfp4Folder, IsReadUnpackedAndSaysSoOnce) {
  Write();
  ::testing::internal::CaptureStderr();
  HuggingFaceWeights folder(folder_, config_, Dtype::kFloat32);
  const WeightMap read = folder.TakeAll();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("unpacking 6 tensors of experts from MXFP4 to float32"));
  ASSERT_EQ(read.size(), weights_.size());
  for (const auto& [name, weight] : weights_) EXPECT_TRUE(at::equal(read.at(name), weight)) << name;
}

TEST_F(Mxfp4Folder, GivesEachExpertAlone) {
  Write();
  HuggingFaceWeights folder(folder_, config_, Dtype::kFloat32);
  for (const char* name : {kGateUp, kDown}) {
    for (int64_t e = 0; e < config_.moe.num_experts; ++e) {
      const at::Tensor expert = folder.TakeExpert(name, {e, config_.moe.num_experts});
      EXPECT_TRUE(at::equal(expert, weights_.at(name)[e])) << name << " " << e;
    }
  }
}

TEST_F(Mxfp4Folder, IsWrittenWithoutBlocks) {
  Write();
  const WeightMap read = HuggingFaceWeights(folder_, config_, Dtype::kFloat32).TakeAll();
  WriteHuggingFaceWeights(folder_, config_, read, Dtype::kBFloat16, int64_t{1} << 30);
  const SafetensorsFile written(folder_ / "model.safetensors");
  EXPECT_TRUE(written.entries().contains(kDown));
  EXPECT_FALSE(written.entries().contains(Mxfp4BlocksName(kDown)));
  // Four bits and a power of two are exact in bfloat16.
  const WeightMap again = HuggingFaceWeights(folder_, config_, Dtype::kFloat32).TakeAll();
  for (const auto& [name, weight] : weights_) {
    EXPECT_TRUE(at::equal(again.at(name), weight)) << name;
  }
}

TEST_F(Mxfp4Folder, WithBlocksCutShortIsRefusedWithTheirShapes) {
  Put(Mxfp4BlocksName(kDown), bytes_.at(Mxfp4BlocksName(kDown)).narrow(2, 0, 1));
  EXPECT_THAT(Refusal(),
              HasSubstr("1 of another shape: model.layers.1.mlp.experts.down_proj_blocks "
                        "[6, 32, 1, 16], expected [6, 32, 2, 16]"));
}

TEST_F(Mxfp4Folder, WithoutScalesIsRefusedByName) {
  bytes_.erase(Mxfp4ScalesName(kGateUp));
  EXPECT_THAT(Refusal(), HasSubstr("1 missing: model.layers.1.mlp.experts.gate_up_proj_scales"));
}

TEST_F(Mxfp4Folder, WithoutBlocksIsRefusedByName) {
  bytes_.erase(Mxfp4BlocksName(kGateUp));
  EXPECT_THAT(Refusal(), HasSubstr("1 missing: model.layers.1.mlp.experts.gate_up_proj_blocks"));
}

TEST_F(Mxfp4Folder, WithANanScaleIsRefused) {
  bytes_.at(Mxfp4ScalesName(kDown))[2][3][1] = 255;
  EXPECT_THAT(Refusal(), HasSubstr("tensor model.layers.1.mlp.experts.down_proj_scales holds 1 "
                                   "scales of 255, which are NaN, expected 0 to 254"));
}

TEST_F(Mxfp4Folder, WithBlocksOfAnotherDtypeIsRefused) {
  Put(Mxfp4BlocksName(kDown), bytes_.at(Mxfp4BlocksName(kDown)).to(at::kFloat));
  EXPECT_THAT(Refusal(), HasSubstr("down_proj_blocks is stored as F32, expected U8"));
}

TEST_F(Mxfp4Folder, WithRowsOfNoWholeBlocksIsRefused) {
  config_.moe.expert_width = 60;
  EXPECT_THAT(Refusal(), HasSubstr("/config.json: intermediate_size is 60, expected a multiple of "
                                   "32: the tensors of "
                                   "model.layers.0.mlp.experts.down_proj are in MXFP4, and rows of "
                                   "60 numbers are no whole blocks of 32"));
}

TEST_F(Mxfp4Folder, WithExpertsTwiceIsRefused) {
  tensors_[kDown] = {kDown, at::zeros({6, 64, 32}, at::kBFloat16), Dtype::kBFloat16};
  EXPECT_THAT(Refusal(), HasSubstr("1 unexpected: model.layers.1.mlp.experts.down_proj"));
}

// Bytes are no numbers of their own in any other place.
TEST_F(Mxfp4Folder, WithANormInBytesIsRefused) {
  tensors_.erase("model.norm.weight");
  Put("model.norm.weight", at::ones({32}, at::kByte));
  EXPECT_THAT(Refusal(), HasSubstr("tensor model.norm.weight is stored as U8, expected F32"));
}

TEST_F(Mxfp4Folder, WithoutSinksIsRefusedByName) {
  tensors_.erase("model.layers.2.self_attn.sinks");
  EXPECT_THAT(Refusal(), HasSubstr("1 missing: model.layers.2.self_attn.sinks"));
}

TEST_F(Mxfp4Folder, OfAnotherFamilysConfigIsRefused) {
  config_ = ReadFamilyGolden("qwen2_moe").config;
  const std::string message = Refusal();
  EXPECT_THAT(message, HasSubstr("the tensors do not fit config.json"));
  EXPECT_THAT(message, HasSubstr("model.layers.0.mlp.experts.0.gate_proj.weight"));
  EXPECT_THAT(message, HasSubstr("unexpected: "));
}

}  // namespace
}  // namespace cohort::policy
