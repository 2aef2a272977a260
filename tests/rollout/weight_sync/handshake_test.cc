#include "rollout/weight_sync/handshake.h"

#include <gtest/gtest.h>

#include "policy/model.h"
#include "tests/rollout/family_models.h"

namespace cohort::rollout {
namespace {

TEST(Handshake, AModelAgreesWithItsOwnConfigWrittenAndReadAgain) {
  for (const FamilyModel& model : FamilyModels()) {
    v1::WeightManifest manifest;
    FillHandshake(model.config, &manifest);
    const auto written = policy::ConfigToJson(model.config, policy::Dtype::kBFloat16);
    EXPECT_EQ(Disagreement(manifest, policy::ParseConfig(written, "config.json"), 0), "")
        << model.name;
  }
}

TEST(Handshake, ARunsNameHoldsItsStart) {
  v1::RunStart start;
  EXPECT_EQ(NameOf(start), "");
  start.set_run_id("a");
  start.set_started_ms(5);
  EXPECT_EQ(NameOf(start), "a/5");
}

TEST(Handshake, VocabulariesOfOtherTokensDiffer) {
  const auto one = policy::MakeByteTokenizer({"<end>"}), other = policy::MakeByteTokenizer({"<e>"});
  EXPECT_NE(VocabularyChecksum(*one), VocabularyChecksum(*other));
  EXPECT_EQ(VocabularyChecksum(*one), VocabularyChecksum(*policy::MakeByteTokenizer({"<end>"})));
}

}  // namespace
}  // namespace cohort::rollout
