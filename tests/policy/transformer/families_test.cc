// Every family against what transformers computes.

#include <gtest/gtest.h>

#include "policy/config/rope_frequencies.h"
#include "policy/transformer/ops/logprobs.h"
#include "tests/policy/family_golden.h"
#include "tests/policy/golden_model.h"
#include "tests/policy/transformer/golden_gradients.h"

namespace cohort::policy {
namespace {

class FamilyParity : public ::testing::TestWithParam<std::string> {
 protected:
  FamilyParity() {
    for (const nlohmann::json& sequence : golden_.expected.at("sequences")) {
      sequences_.push_back(sequence.at("ids").get<std::vector<int32_t>>());
    }
  }

  FamilyGolden golden_ = ReadFamilyGolden(GetParam());
  Transformer policy_ = MakeTransformer(golden_.config, FamilyGoldenWeights(golden_.config));
  std::vector<std::vector<int32_t>> sequences_;
};

// Lengths 5, 33 and 150; the original context of the scaled ones is 32.
TEST_P(FamilyParity, GivesTheLogprobsOfTransformers) {
  const at::NoGradGuard no_grad;
  for (size_t s = 0; s < sequences_.size(); ++s) {
    const PackedTokens tokens = Pack({sequences_[s]});
    const NextTokens next = FindNextTokens(tokens);
    const at::Tensor logprobs = ComputeTokenLogprobs(policy_(tokens).index_select(0, next.rows_N),
                                                     policy_->head(), next.targets_N, 1.0)
                                    .logprobs_N;
    const auto expected =
        golden_.expected.at("sequences")[s].at("logprobs").get<std::vector<double>>();
    const at::Tensor difference = logprobs - torch::tensor(expected, at::kDouble);
    EXPECT_LT(difference.abs().mean().item<double>(), 2e-5) << "length " << sequences_[s].size();
    EXPECT_LT(difference.abs().max().item<double>(), 2e-4) << "length " << sequences_[s].size();
  }
}

TEST_P(FamilyParity, PicksTheLikeliestTokenOfTransformersWhereItLeads) {
  const at::NoGradGuard no_grad;
  size_t compared = 0;
  for (size_t s = 0; s < sequences_.size(); ++s) {
    const at::Tensor logits = policy_(Pack({sequences_[s]})).matmul(policy_->head().weight_VD.t());
    const at::Tensor picked = logits.argmax(-1);
    const nlohmann::json& expected = golden_.expected.at("sequences")[s];
    for (size_t t = 0; t < sequences_[s].size(); ++t) {
      if (expected.at("margins")[t].get<double>() < 1e-3) continue;
      EXPECT_EQ(picked[static_cast<int64_t>(t)].item<int64_t>(),
                expected.at("top_ids")[t].get<int64_t>())
          << "sequence " << s << " position " << t;
      ++compared;
    }
  }
  EXPECT_GT(compared, 170u);
}

// The loss is the mean of -logprob over all tokens, as in supervised fine-tuning.
TEST_P(FamilyParity, GivesTheGradientOfTransformersForEveryParameter) {
  const PackedTokens tokens = Pack(sequences_);
  const NextTokens next = FindNextTokens(tokens);
  (-ComputeTokenLogprobs(policy_(tokens).index_select(0, next.rows_N), policy_->head(),
                         next.targets_N, 1.0)
        .logprobs_N)
      .mean()
      .backward();
  ExpectGradients(policy_, golden_.expected.at("gradients"));
}

void ExpectFrequencies(const std::vector<float>& found, const nlohmann::json& golden) {
  const auto expected = golden.get<std::vector<float>>();
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], 1.2e-7 * expected[i]) << i;  // one unit of fp32
  }
}

TEST_P(FamilyParity, HasTheRotaryFrequenciesOfTransformers) {
  const nlohmann::json& expected = golden_.expected;
  const int64_t dim = golden_.config.attention.rotary_dim();
  const RopeFrequencies found = ComputeRopeFrequencies(golden_.config.rope, dim);
  ExpectFrequencies(found.inverse, expected.at("inv_freq"));
  EXPECT_EQ(expected.contains("inv_freq_long"), found.long_beyond > 0);
  if (found.long_beyond > 0) ExpectFrequencies(found.long_inverse, expected.at("inv_freq_long"));
  EXPECT_EQ(expected.contains("inv_freq_windowed"), golden_.config.windowed_rope.has_value());
  if (golden_.config.windowed_rope) {
    ExpectFrequencies(ComputeRopeFrequencies(*golden_.config.windowed_rope, dim).inverse,
                      expected.at("inv_freq_windowed"));
  }
  EXPECT_DOUBLE_EQ(found.attention_factor, golden_.expected.at("attention_factor").get<double>());
  EXPECT_DOUBLE_EQ(AttentionScale(golden_.config.attention, golden_.config.rope),
                   golden_.expected.at("attention_scale").get<double>());
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyParity, ::testing::ValuesIn(FamilyGoldenNames()),
                         [](const auto& info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(ReadOnly, FamilyParity, ::testing::ValuesIn(ReadOnlyGoldenNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cohort::policy
