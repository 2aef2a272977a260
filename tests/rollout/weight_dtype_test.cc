#include "rollout/weight_dtype.h"

#include <gtest/gtest.h>

namespace cohort::rollout {
namespace {

TEST(WeightDtype, MatricesAreRoundedAndWhatStaysFp32InTheDecoderIsNot) {
  constexpr WeightDtype kHalf = WeightDtype::kBFloat16, kFull = WeightDtype::kFloat32;
  EXPECT_EQ(KeptDtype("model.embed_tokens.weight", 2, kHalf), kHalf);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.gate_proj.weight", 2, kHalf), kHalf);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.experts.gate_up_proj", 3, kHalf), kHalf);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.gate.weight", 2, kHalf), kFull);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.gate.e_score_correction_bias", 1, kHalf), kFull);
  EXPECT_EQ(KeptDtype("model.layers.0.self_attn.q_proj.bias", 1, kHalf), kFull);
  EXPECT_EQ(KeptDtype("model.norm.weight", 1, kHalf), kFull);
}

TEST(WeightDtype, AWorkerOfFp32KeepsEverythingInFp32) {
  EXPECT_EQ(KeptDtype("model.embed_tokens.weight", 2, WeightDtype::kFloat32),
            WeightDtype::kFloat32);
}

}  // namespace
}  // namespace cohort::rollout
