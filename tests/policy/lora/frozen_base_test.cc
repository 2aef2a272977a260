#include "policy/lora/frozen_base.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "policy/lora/lora.h"
#include "policy/lora/snapshot.h"
#include "policy/transformer/ops/numerics.h"
#include "policy/weights/stored_tensors.h"
#include "tests/policy/golden_model.h"

namespace cohort::policy {
namespace {

const LoraConfig kConfig{.rank = 3, .alpha = 6, .targets = {kAllLinear}};

// With adapters that are no longer fresh.
void Adapt(TransformerImpl& policy) {
  AttachLora(policy, kConfig, 4);
  WeightMap moved;
  at::manual_seed(3);
  for (const auto& [name, weight] : LoraWeights(policy)) {
    moved[name] = weight + 0.1 * at::randn(weight.sizes());
  }
  LoadLoraWeights(policy, moved);
}

at::Tensor Logprobs(Transformer& policy, const GoldenModel& golden) {
  const PackedTokens tokens = Pack(golden.sequences);
  const NextTokens next = FindNextTokens(tokens);
  return ComputeTokenLogprobs(policy(tokens).index_select(0, next.rows_N), policy->head(),
                              next.targets_N, 1.0)
      .logprobs_N;
}

WeightMap Gradients(Transformer& policy) {
  WeightMap gradients;
  for (const auto& item : policy->named_parameters()) {
    if (item.value().grad().defined()) gradients[item.key()] = item.value().grad();
  }
  return gradients;
}

struct Format {
  const char* name;
  BaseFormat format;
  double bytes;  // a number
};

class FrozenBase : public ::testing::TestWithParam<std::tuple<const char*, Format>> {
 protected:
  Transformer Kept() {
    Transformer policy = MakeTransformer(golden_.config, golden_.weights);
    Adapt(*policy);
    KeepBase(*policy, format_);
    return policy;
  }
  // The same numbers in fp32.
  Transformer Wide(Transformer& kept) {
    WeightMap base;
    for (const auto& [name, weight] : kept->Weights()) base[name] = weight.to(at::kFloat);
    Transformer policy = MakeTransformer(golden_.config, base);
    Adapt(*policy);
    return policy;
  }

  GoldenModel golden_ = ReadGoldenModel(std::get<0>(GetParam()));
  BaseFormat format_ = std::get<1>(GetParam()).format;
};
INSTANTIATE_TEST_SUITE_P(
    Models, FrozenBase,
    ::testing::Combine(::testing::Values("tiny_llama", "tiny_moe", "tiny_fp8"),
                       ::testing::Values(Format{"bf16", BaseFormat::kBFloat16, 2},
                                         Format{"fp8", BaseFormat::kFp8, 1})),
    [](const auto& info) {
      return std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param).name;
    });

TEST_P(FrozenBase, HasTheLogprobsAndGradientsOfItsNumbersInFp32BitForBit) {
  for (const kernels::Numerics numerics :
       {kernels::Numerics::kFloat32, kernels::Numerics::kBf16Dot}) {
    const NumericsScope scope(numerics);
    Transformer kept = Kept(), wide = Wide(kept);
    const at::Tensor found = Logprobs(kept, golden_), expected = Logprobs(wide, golden_);
    EXPECT_TRUE(at::equal(found, expected)) << kernels::NumericsName(numerics);
    found.sum().backward();
    expected.sum().backward();
    const WeightMap of_kept = Gradients(kept), of_wide = Gradients(wide);
    EXPECT_FALSE(of_kept.empty());
    EXPECT_EQ(of_kept.size(), of_wide.size());
    for (const auto& [name, gradient] : of_kept) {
      EXPECT_TRUE(at::equal(gradient, of_wide.at(name))) << name;
    }
    EXPECT_GT(LargestDifference(found.detach(), golden_.expected.at("logprobs")), 1e-4);
  }
}

TEST_P(FrozenBase, TakesHalfOrAQuarterOfTheMemory) {
  Transformer before = MakeTransformer(golden_.config, golden_.weights);
  AttachLora(*before, kConfig, 4);
  Transformer kept = Kept();
  double numbers = 0, scales = 0;
  for (const TensorSpec& spec : ExpectedTensors(golden_.config)) {
    const at::Tensor& tensor = golden_.weights.at(spec.name);
    if (StoredDtype(spec.name, spec.shape.size(), Dtype::kFloat8E4m3) != Dtype::kFloat8E4m3)
      continue;
    numbers += static_cast<double>(tensor.numel());
    if (format_ == BaseFormat::kFp8) {
      scales += static_cast<double>(QuantizeFp8Tensor(spec.name, tensor).scale_inv.nbytes());
    }
  }
  EXPECT_EQ(BaseBytes(*before), 4 * numbers);
  EXPECT_EQ(BaseBytes(*kept), std::get<1>(GetParam()).bytes * numbers + scales);
}

TEST_P(FrozenBase, IsWhatAdaptersAreAddedToInFp32) {
  Transformer kept = Kept(), wide = Wide(kept);
  const WeightMap merged = MergedWeights(*kept), expected = MergedWeights(*wide);
  for (const auto& [name, weight] : expected) {
    EXPECT_TRUE(at::equal(merged.at(name).to(at::kFloat), weight)) << name;
  }
  CheckWeights(golden_.config, merged, "the merged weights");
}

TEST_P(FrozenBase, IsTheReferenceOfItsAdapters) {
  Transformer kept = Kept();
  WeightMap base;
  for (const auto& [name, weight] : kept->Weights()) base[name] = weight.to(at::kFloat);
  Transformer fresh = MakeTransformer(golden_.config, golden_.weights);
  AttachLora(*fresh, kConfig, 4);
  KeepBase(*fresh, format_);
  const LoraSnapshot reference(*fresh);
  ASSERT_TRUE(reference.is_base());
  const LoraSnapshot::Scope scope(reference, *kept);
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(Logprobs(kept, golden_), GoldenLogprobs(golden_, golden_.config, base)));
}

TEST(FrozenFp8Base, OfAFolderInFp8IsItsNumbersAndScalesBitForBit) {
  const GoldenModel golden = ReadGoldenModel("tiny_fp8");
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  AttachLora(*policy, kConfig, 4);
  HuggingFaceWeights folder(golden.folder, golden.config, Dtype::kFloat32);
  KeepBase(*policy, BaseFormat::kFp8, &folder);
  const SafetensorsFile file(golden.folder / "model.safetensors");
  const auto bytes = [](const at::Tensor& x) { return x.contiguous().view(at::kByte); };
  int compared = 0;
  for (const auto& item : policy->named_parameters()) {
    if (item.value().scalar_type() != at::kFloat8_e4m3fn) continue;
    for (const StoredTensor& part : StoredTensors(golden.config, item.key(), item.value())) {
      EXPECT_TRUE(at::equal(bytes(part.part), bytes(file.View(part.name)))) << part.name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 20);
  // Its numbers are those that the folder is read as.
  for (const auto& [name, weight] : policy->Weights()) {
    EXPECT_TRUE(at::equal(weight, golden.weights.at(name))) << name;
  }
}

TEST(FrozenFp8Base, WithoutAdaptersIsRefused) {
  const GoldenModel golden = ReadGoldenModel("tiny_llama");
  Transformer policy = MakeTransformer(golden.config, golden.weights);
  EXPECT_THROW(KeepBase(*policy, BaseFormat::kFp8), Error);
}

}  // namespace
}  // namespace cohort::policy
