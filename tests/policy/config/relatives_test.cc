#include "policy/config/relatives.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "policy/config/config.h"
#include "policy/config/family.h"

namespace cohort::policy {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::string RefusalOf(const json& config) {
  try {
    ParseConfig(config, "config.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}
std::string RefusalOfType(const std::string& model_type) {
  return RefusalOf(json{{"model_type", model_type}});
}

TEST(Relatives, AreOfSupportedFamiliesAndNotSupportedThemselves) {
  std::set<std::string> letters;
  for (const Relative& relative : Relatives()) {
    EXPECT_THAT(FamilyNames(), Contains(relative.nearest)) << relative.model_type;
    EXPECT_THAT(FamilyNames(), Not(Contains(relative.model_type)));
    EXPECT_TRUE(letters.insert(LettersOf(relative.model_type)).second) << relative.model_type;
  }
}

// The nearest spellings would be mixtral, glm4_moe, olmo2, phi3 and gemma2.
TEST(Relatives, AreNearInMathematicsAndNotInSpelling) {
  const std::pair<const char*, const char*> nearest[] = {
      {"mistral3", "mistral"},
      {"ministral", "mistral"},
      {"ministral3", "mistral"},
      {"mistral4", "deepseek_v2"},
      {"gemma", "gemma2"},
      {"gemma3", "gemma3_text"},
      {"gemma4_text", "gemma3_text"},
      {"kimi_k2", "deepseek_v3"},
      {"glm", "llama"},
      {"glm4", "gemma2"},
      {"glm4_moe_lite", "deepseek_v3"},
      {"glm_moe_dsa", "deepseek_v32"},
      {"olmo", "llama"},
      {"exaone4", "olmo3"},
      {"phi", "phi3"},
      {"minicpm", "granite"},
      {"minimax_m2", "glm4_moe"},
      {"llama4", "glm4_moe"},
      {"qwen2_5_vl", "qwen2"},
      {"cohere2", "llama"},
  };
  for (const auto& [model_type, family] : nearest) {
    const std::string expected = std::string("config.json: model_type '") + model_type +
                                 "' is not supported; nearest in its mathematics is " + family +
                                 ", but ";
    EXPECT_THAT(RefusalOfType(model_type), HasSubstr(expected));
  }
}

TEST(Relatives, AreKnownHoweverTheyAreSpelt) {
  EXPECT_THAT(RefusalOfType("Kimi-K2"), HasSubstr("nearest in its mathematics is deepseek_v3"));
  EXPECT_THAT(RefusalOfType("gpt-oss"), HasSubstr("did you mean 'gpt_oss'?"));
  EXPECT_EQ(RefusalOfType("mistrals"), "config.json: model_type 'mistrals' is not supported");
}

TEST(Relatives, ATextModelWithinIsNamed) {
  EXPECT_THAT(RefusalOf({{"model_type", "bagel"}, {"text_config", {{"model_type", "qwen2"}}}}),
              HasSubstr("its text_config is of the family 'qwen2'"));
  const std::string plain = "config.json: model_type 'bagel' is not supported";
  EXPECT_EQ(RefusalOf({{"model_type", "bagel"}, {"text_config", {{"model_type", "x"}}}}), plain);
  EXPECT_EQ(RefusalOf({{"model_type", "bagel"}, {"text_config", {{"model_type", 3}}}}), plain);
  EXPECT_EQ(RefusalOf({{"model_type", "bagel"}, {"text_config", "qwen2"}}), plain);
}

}  // namespace
}  // namespace cohort::policy
