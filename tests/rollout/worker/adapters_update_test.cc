// A worker that is given a base and then adapters of it.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>

#include <map>

#include "policy/lora/merge.h"
#include "tests/rollout/worker/service_fixture.h"

namespace cohort::rollout {
namespace {

using grpc::StatusCode;
using ::testing::HasSubstr;

class AdaptersOfAWorker : public ServiceTest {
 protected:
  AdaptersOfAWorker() {
    at::Generator generator = at::detail::createCPUGenerator(3);
    for (const char* module : {"model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"}) {
      const at::Tensor& weight = weights_.at(std::string(module) + ".weight");
      const std::string name = module;
      adapters_[name + ".lora_A.weight"] = at::empty({4, weight.size(1)}).normal_(0, 1, generator);
      adapters_[name + ".lora_B.weight"] = at::empty({weight.size(0), 4}).normal_(0, 1, generator);
    }
  }

  std::vector<v1::WeightChunk> Base() {
    v1::WeightManifest heading;
    heading.set_content(v1::WEIGHT_CONTENT_BASE);
    return Chunks(weights_, "one", heading);
  }
  std::vector<v1::WeightChunk> Adapters(const policy::WeightMap& adapters) {
    v1::WeightManifest heading;
    heading.set_content(v1::WEIGHT_CONTENT_ADAPTERS);
    heading.set_base_checksum(Base()[0].manifest().base_checksum());
    heading.set_adapter_scale(kScale);
    return Chunks(adapters, "one", heading);
  }
  std::map<uint64_t, std::string> Samples() {
    std::map<uint64_t, std::string> samples;
    for (const v1::Completion& completion : Generate(Request(4, 12)).completions) {
      samples[completion.sample_id()] = completion.SerializeAsString();
    }
    EXPECT_EQ(samples.size(), 4u);
    return samples;
  }

  static constexpr double kScale = 0.3;
  policy::WeightMap adapters_;
};

TEST_F(AdaptersOfAWorker, AreAddedToItsBaseWithTheBitsOfMergedWeights) {
  policy::WeightMap merged = weights_;
  policy::AddAdapters(adapters_, kScale, config_, &merged);
  ASSERT_TRUE(Update(Chunks(merged)).ok());
  const auto expected = Samples();
  policy::WeightMap others = adapters_;
  for (auto& [name, tensor] : others) tensor = -tensor;
  others.begin()->second = adapters_.begin()->second * 2;
  ASSERT_TRUE(Update(Base()).ok());
  EXPECT_EQ(Samples(), expected) << "a base is kept beside what is sampled from";
  ASSERT_TRUE(Update(Adapters(others)).ok());
  EXPECT_NE(Samples(), expected);
  const std::vector<v1::WeightChunk> chunks = Adapters(adapters_);
  ASSERT_TRUE(Update(chunks).ok());
  EXPECT_EQ(Samples(), expected) << "the base is as it was";
  EXPECT_LT(chunks[0].manifest().total_bytes(), Base()[0].manifest().total_bytes() / 10);
}

TEST_F(AdaptersOfAWorker, AreAskedToComeAfterTheirBase) {
  EXPECT_EQ(Update(Adapters(adapters_)).error_code(), StatusCode::ABORTED);
  ASSERT_TRUE(Update(Base()).ok());
  auto of_another = Adapters(adapters_);
  of_another[0].mutable_manifest()->set_base_checksum(7);
  EXPECT_EQ(Update(of_another).error_code(), StatusCode::ABORTED);
  EXPECT_TRUE(Update(Adapters(adapters_)).ok());
  ASSERT_TRUE(Update(Chunks()).ok());
  EXPECT_EQ(Update(Adapters(adapters_)).error_code(), StatusCode::ABORTED)
      << "whole weights take the memory of a base";
}

TEST_F(AdaptersOfAWorker, ThatDoNotFitAreRefusedBeforeMemoryIsTaken) {
  ASSERT_TRUE(Update(Base()).ok());
  policy::WeightMap half = adapters_;
  half.erase(half.begin());
  EXPECT_EQ(Update(Adapters(half)).error_code(), StatusCode::INVALID_ARGUMENT);
  policy::WeightMap elsewhere = adapters_;
  elsewhere["model.layers.9.self_attn.q_proj.lora_A.weight"] = at::ones({4, 32});
  elsewhere["model.layers.9.self_attn.q_proj.lora_B.weight"] = at::ones({32, 4});
  EXPECT_THAT(Update(Adapters(elsewhere)).error_message(), HasSubstr("layers.9.self_attn.q_proj"));
  auto high = Adapters(adapters_);
  for (auto& entry : *high[0].mutable_manifest()->mutable_tensors()) {
    const int rank = entry.name().ends_with("lora_A.weight") ? 0 : 1;
    entry.set_num_bytes(entry.num_bytes() / 4 * (1 << 20));
    entry.set_shape(rank, 1 << 20);
  }
  high[0].mutable_manifest()->set_total_bytes(uint64_t{1} << 40);
  EXPECT_EQ(Update(high).error_code(), StatusCode::INVALID_ARGUMENT);
  auto altered = Base();
  altered[0].mutable_manifest()->set_base_checksum(7);
  EXPECT_EQ(Update(altered).error_code(), StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace cohort::rollout
