#include "rollout/weight_dtype.h"

#include <gtest/gtest.h>

namespace cohort::rollout {
namespace {

TEST(KeptDtype, MatricesAreRoundedAndWhatStaysFp32InTheDecoderIsNot) {
  constexpr policy::Dtype kHalf = policy::Dtype::kBFloat16, kFull = policy::Dtype::kFloat32;
  EXPECT_EQ(KeptDtype("model.embed_tokens.weight", 2, kHalf), kHalf);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.gate_proj.weight", 2, kHalf), kHalf);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.experts.gate_up_proj", 3, kHalf), kHalf);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.gate.weight", 2, kHalf), kFull);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.gate.e_score_correction_bias", 1, kHalf), kFull);
  EXPECT_EQ(KeptDtype("model.layers.0.self_attn.q_proj.bias", 1, kHalf), kFull);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.experts.gate_up_proj_bias", 2, kHalf), kFull);
  EXPECT_EQ(KeptDtype("model.layers.0.mlp.shared_expert_gate.weight", 2, kHalf), kFull);
  EXPECT_EQ(KeptDtype("model.norm.weight", 1, kHalf), kFull);
}

TEST(KeptDtype, AWorkerOfFp32KeepsEverythingInFp32) {
  EXPECT_EQ(KeptDtype("model.embed_tokens.weight", 2, policy::Dtype::kFloat32),
            policy::Dtype::kFloat32);
}

}  // namespace
}  // namespace cohort::rollout
