// Folders whose tensors say otherwise than config.json.

#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/model.h"
#include "policy/weights/fp8_blocks.h"
#include "policy/weights/safetensors.h"
#include "tests/policy/family_golden.h"

namespace cohort::policy {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kEmbedding[] = "model.embed_tokens.weight";
constexpr char kHead[] = "lm_head.weight";

class FolderAndConfig : public ::testing::Test {
 protected:
  void WriteConfig(const json& config) {
    base::WriteFileDurably(folder_ / "config.json", config.dump());
  }
  // In two shards.
  void WriteTensors(const std::map<std::string, NamedTensor>& tensors) {
    std::vector<std::vector<NamedTensor>> shards(2);
    json weight_map = json::object();
    for (const auto& [name, tensor] : tensors) {
      const size_t shard = name.starts_with("model.layers.0") || name == kHead ? 1 : 0;
      shards[shard].push_back(tensor);
      weight_map[name] = "model-" + std::to_string(shard) + ".safetensors";
    }
    for (size_t i = 0; i < shards.size(); ++i) {
      WriteSafetensors(folder_ / ("model-" + std::to_string(i) + ".safetensors"), shards[i]);
    }
    base::WriteFileDurably(folder_ / "model.safetensors.index.json",
                           json{{"weight_map", weight_map}}.dump());
  }
  Model Load() {
    testing::internal::CaptureStderr();
    Model model = LoadModel(folder_.string());
    said_ = testing::internal::GetCapturedStderr();
    return model;
  }
  std::string Refusal() const {
    try {
      LoadModel(folder_.string());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      return error.what();
    }
    return "no error";
  }

  const base::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  std::string said_;
};

// A llama with a head of its own, whose config.json ties it. transformers 5.23 ties only what is
// equal (PreTrainedModel.tie_weights), so that it computes the untied golden's numbers.
class TiedByConfig : public FolderAndConfig {
 protected:
  TiedByConfig() {
    golden_.expected.at("config")["tie_word_embeddings"] = true;
    WriteConfig(golden_.expected.at("config"));
    for (const auto& [name, tensor] : weights_) {
      tensors_.insert({name, {name, tensor, Dtype::kFloat32}});
    }
  }
  void ExpectUntied(const Model& model) {
    EXPECT_FALSE(model.config.tie_embeddings);
    EXPECT_THAT(said_, HasSubstr("lm_head.weight has other values than model.embed_tokens.weight"));
    EXPECT_EQ(said_.find("other values"), said_.rfind("other values")) << "said once";
  }
  void ExpectTied(const Model& model) {
    EXPECT_TRUE(model.config.tie_embeddings);
    EXPECT_FALSE(model.weights.contains(kHead));
    EXPECT_THAT(said_, IsEmpty());
  }

  FamilyGolden golden_ = ReadFamilyGolden("llama3_rope");
  const WeightMap weights_ = FamilyGoldenWeights(golden_.config);
  std::map<std::string, NamedTensor> tensors_;
};

TEST_F(TiedByConfig, AHeadOfOtherValuesIsReadAndWrittenUntied) {
  ASSERT_FALSE(golden_.config.tie_embeddings);
  WriteTensors(tensors_);
  Model model = Load();
  ExpectUntied(model);
  ASSERT_EQ(model.weights.size(), weights_.size());
  for (const auto& [name, tensor] : weights_) {
    EXPECT_TRUE(at::equal(model.weights.at(name), tensor)) << name;
  }
  EXPECT_FALSE(LoadModelWithoutWeights(folder_.string()).config.tie_embeddings);
  const std::filesystem::path out = folder_ / "out";
  model.tokenizer = nullptr;
  SaveModel(model, out);
  EXPECT_EQ(json::parse(base::ReadFile(out / "config.json")).at("tie_word_embeddings"), false);
  const SafetensorsFile written(out / "model.safetensors");
  EXPECT_TRUE(at::equal(written.View(kHead), weights_.at(kHead)));
  EXPECT_TRUE(at::equal(written.View(kEmbedding), weights_.at(kEmbedding)));
}

TEST_F(TiedByConfig, AHeadThatDiffersInItsLastNumberAloneIsUntied) {
  const at::Tensor head = weights_.at(kEmbedding).to(at::kBFloat16);
  tensors_.at(kEmbedding) = {kEmbedding, head.clone(), Dtype::kBFloat16};
  head[-1][-1] += 1;
  tensors_.at(kHead) = {kHead, head, Dtype::kBFloat16};
  WriteTensors(tensors_);
  ExpectUntied(Load());
}

TEST_F(TiedByConfig, AnEqualHeadStaysTied) {
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kBFloat16}) {
    const at::Tensor rounded = weights_.at(kEmbedding).to(at::kBFloat16).to(at::kFloat);
    tensors_.at(kEmbedding) = {kEmbedding, rounded, Dtype::kFloat32};
    tensors_.at(kHead) = {kHead, rounded, dtype};
    WriteTensors(tensors_);
    ExpectTied(Load());
  }
}

TEST_F(TiedByConfig, AHeadInBlocksOfFp8IsComparedByItsValues) {
  const Fp8Matrix matrix = QuantizeFp8(weights_.at(kHead));
  const std::string scales = Fp8ScaleName(kHead);
  tensors_.at(kHead) = {kHead, matrix.values, Dtype::kFloat8E4m3};
  tensors_.insert({scales, {scales, matrix.scale_inv, Dtype::kFloat32}});
  WriteTensors(tensors_);
  ExpectUntied(Load());
  at::Tensor values = at::empty_like(weights_.at(kHead));
  DequantizeFp8(matrix, values);
  tensors_.at(kEmbedding) = {kEmbedding, values, Dtype::kFloat32};
  WriteTensors(tensors_);
  EXPECT_TRUE(LoadModelWithoutWeights(folder_.string()).config.tie_embeddings);
}

TEST_F(TiedByConfig, AHeadOfAnotherShapeIsRefused) {
  tensors_.at(kHead) = {kHead, at::ones({3, 32}), Dtype::kFloat32};
  WriteTensors(tensors_);
  EXPECT_THAT(Refusal(), HasSubstr("lm_head.weight"));
}

TEST_F(TiedByConfig, AHeadAloneIsTheEmbeddingToo) {
  tensors_.erase(kEmbedding);
  WriteTensors(tensors_);
  const Model model = Load();
  ExpectTied(model);
  EXPECT_TRUE(at::equal(model.weights.at(kEmbedding), weights_.at(kHead)));
}

TEST_F(TiedByConfig, TheConfigIsBelievedWhereTheWeightsAreNot) {
  EXPECT_TRUE(LoadModelWithoutWeights(folder_.string()).config.tie_embeddings);
  WriteTensors(tensors_);
  std::filesystem::remove(folder_ / "model-1.safetensors");
  EXPECT_TRUE(LoadModelWithoutWeights(folder_.string()).config.tie_embeddings);
}

// The tensors that transformers writes of a deepseek_v32.
class SparseAttention : public FolderAndConfig {
 protected:
  SparseAttention() {
    for (const auto& [name, shape] : golden_.expected.at("tensors").items()) {
      const at::Tensor drawn = DrawWeight(name, shape.get<std::vector<int64_t>>());
      tensors_.insert({name, {name, drawn, Dtype::kFloat32}});
    }
    config_ = golden_.expected.at("config");
  }

  const FamilyGolden golden_ = ReadFamilyGolden("deepseek_v32");
  std::map<std::string, NamedTensor> tensors_;
  json config_;
};

TEST_F(SparseAttention, ItsIndexerIsLeftOutWithANote) {
  WriteConfig(config_);
  WriteTensors(tensors_);
  EXPECT_EQ(Load().config.family, "deepseek_v3");
  EXPECT_THAT(said_, HasSubstr("leaving out 15 tensors of the indexer of sparse attention: "
                               "sequences end at index_topk, 256 tokens"));
}

TEST_F(SparseAttention, AnIndexerUnderTheNameOfDeepSeekV3IsRefused) {
  config_["model_type"] = "deepseek_v3";
  config_.erase("index_topk");
  config_.erase("layer_types");
  WriteConfig(config_);
  WriteTensors(tensors_);
  EXPECT_THAT(Refusal(),
              AllOf(HasSubstr("config.json: model_type is \"deepseek_v3\", expected "
                              "\"deepseek_v32\": the folder has 15 tensors of the indexer"),
                    HasSubstr("self_attn.indexer.*")));
}

TEST_F(SparseAttention, AFolderWithoutAnIndexerSaysSo) {
  WriteConfig(config_);
  std::erase_if(tensors_,
                [](const auto& item) { return item.first.find(".indexer.") != std::string::npos; });
  WriteTensors(tensors_);
  EXPECT_EQ(Load().config.family, "deepseek_v3");
  EXPECT_THAT(said_, AllOf(HasSubstr("the folder has no tensors of an indexer"),
                           HasSubstr("sequences end at 256 tokens"),
                           HasSubstr("set model_type to deepseek_v3")));
}

}  // namespace
}  // namespace cohort::policy
