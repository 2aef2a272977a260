// The decoder against what transformers computes on a small model of every family.

#include <gtest/gtest.h>

#include <cmath>

#include "rollout/cpu/cpu_decoder.h"
#include "tests/policy/family_golden.h"

namespace cohort::rollout {
namespace {

class DecoderParity : public testing::TestWithParam<std::string> {
 protected:
  const policy::FamilyGolden golden_ = policy::ReadFamilyGolden(GetParam());
  Decoder decoder_ =
      MakeCpuDecoder(golden_.config, policy::FamilyGoldenWeights(golden_.config), {}, 0);
};

// Lengths 5, 33 and 150: within windows of 20 and 24 and beyond them, and on both sides of an
// original context of 32.
TEST_P(DecoderParity, ScoresAreTheLogprobsOfTransformers) {
  for (const nlohmann::json& sequence : golden_.expected.at("sequences")) {
    const auto ids = sequence.at("ids").get<std::vector<int32_t>>();
    const auto expected = sequence.at("logprobs").get<std::vector<double>>();
    const std::vector<float> found = decoder_.Score(ids);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 2e-4) << "length " << ids.size() << ", token " << i;
    }
  }
}

// The first token drawn after a prefix, where transformers' likeliest leads by enough.
TEST_P(DecoderParity, GreedyTokensAreTheLikeliestOfTransformers) {
  int compared = 0;
  for (const nlohmann::json& sequence : golden_.expected.at("sequences")) {
    const auto ids = sequence.at("ids").get<std::vector<int32_t>>();
    for (const size_t length : {ids.size() / 2, ids.size()}) {
      // Half of a long text turns by other factors under longrope.
      const bool by_length = golden_.config.rope.kind == policy::RopeKind::kLongRope;
      if (by_length && length < ids.size()) continue;
      if (sequence.at("margins")[length - 1].get<double>() < 1e-3) continue;
      GroupRequest request{.prompt_ids = {ids.begin(), ids.begin() + static_cast<long>(length)},
                           .sample_ids = {0}};
      request.sampling = {.temperature = 0, .max_new_tokens = 1};
      EXPECT_EQ(GenerateAll(decoder_, {request}).at(0).ids.at(0),
                sequence.at("top_ids")[length - 1].get<int32_t>())
          << "length " << length;
      ++compared;
    }
  }
  EXPECT_GE(compared, 3);
}

INSTANTIATE_TEST_SUITE_P(Families, DecoderParity, testing::ValuesIn(policy::FamilyGoldenNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cohort::rollout
