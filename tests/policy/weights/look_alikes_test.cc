#include "policy/weights/look_alikes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/weights/huggingface_weights.h"
#include "tests/policy/family_golden.h"

namespace cohort::policy {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class LookAlikes : public ::testing::TestWithParam<std::string> {};

std::set<std::string> NamesOf(const FamilyGolden& golden) {
  std::set<std::string> names;
  for (const auto& [name, shape] : golden.expected.at("tensors").items()) names.insert(name);
  return names;
}

TEST_P(LookAlikes, HoldTheFamilyItself) {
  const FamilyGolden golden = ReadFamilyGolden(GetParam());
  EXPECT_THAT(FamiliesNamedLike(NamesOf(golden)), Contains(golden.config.family));
}

// A folder of one family beside the config.json of each other.
TEST_P(LookAlikes, AreNamedWhereConfigClaimsAnotherFamily) {
  const base::TemporaryFolder folder;
  const FamilyGolden golden = ReadFamilyGolden(GetParam());
  WriteHuggingFaceWeights(folder.path(), golden.config, FamilyGoldenWeights(golden.config),
                          Dtype::kFloat32, int64_t{1} << 30);
  const std::vector<std::string> alike = FamiliesNamedLike(NamesOf(golden));
  std::set<std::string> done(alike.begin(), alike.end());
  for (const std::string& other : FamilyGoldenNames()) {
    const ModelConfig claimed = ReadFamilyGolden(other).config;
    if (!done.insert(claimed.family).second) continue;
    SCOPED_TRACE(other);
    try {
      HuggingFaceWeights(folder.path(), claimed, Dtype::kFloat32).TakeAll();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("the tensors do not fit config.json"));
      EXPECT_THAT(error.hint(), HasSubstr("these are named as those of "));
      EXPECT_THAT(error.hint(), HasSubstr(golden.config.family));
      EXPECT_THAT(error.hint(), HasSubstr("model_type says " + claimed.family));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, LookAlikes, ::testing::ValuesIn(FamilyGoldenNames()),
                         [](const auto& info) { return info.param; });

TEST(LookAlikes, AreSeveralWhereFoldersAreAlike) {
  EXPECT_THAT(FamiliesNamedLike(NamesOf(ReadFamilyGolden("granite"))),
              ElementsAre("llama", "mistral", "smollm3", "granite"));
  EXPECT_THAT(FamiliesNamedLike(NamesOf(ReadFamilyGolden("gpt_oss"))), ElementsAre("gpt_oss"));
  EXPECT_THAT(FamiliesNamedLike({"transformer.h.0.ln_1.weight"}), ElementsAre());
}

// The same family with tensors that are not there is no other family.
TEST(LookAlikes, AreNotNamedWhereTensorsOfTheFamilyAreMissing) {
  const base::TemporaryFolder folder;
  ModelConfig config = ReadFamilyGolden("gpt_oss").config;
  config.attention.has_sinks = false;
  WriteHuggingFaceWeights(folder.path(), config, FamilyGoldenWeights(config), Dtype::kFloat32,
                          int64_t{1} << 30);
  config.attention.has_sinks = true;
  try {
    HuggingFaceWeights(folder.path(), config, Dtype::kFloat32).TakeAll();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("3 missing: model.layers.0.self_attn.sinks"));
    EXPECT_THAT(error.hint(), Not(HasSubstr("named as those of")));
  }
}

}  // namespace
}  // namespace cohort::policy
