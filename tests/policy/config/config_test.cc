#include "policy/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "policy/weights/weights.h"
#include "tests/policy/family_golden.h"

namespace cohort::policy {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class FamilyConfig : public ::testing::TestWithParam<std::string> {
 protected:
  FamilyGolden golden_ = ReadFamilyGolden(GetParam());
};

TEST_P(FamilyConfig, IsReadAlikeFromTransformers4And5) {
  ModelConfig config_4 = ParseConfig(golden_.config_4, "config.json");
  config_4.num_mtp_layers = 0;  // only version 5 writes it
  EXPECT_EQ(config_4, golden_.config);
}

TEST_P(FamilyConfig, IsReadAsItWasWritten) {
  const json written = ConfigToJson(golden_.config, Dtype::kFloat32);
  EXPECT_EQ(ParseConfig(written, "config.json"), golden_.config);
}

TEST(Config, AnnouncesMultiTokenPredictionLayers) {
  ModelConfig config = ReadFamilyGolden("deepseek_v3").config;
  config.num_mtp_layers = 2;
  EXPECT_EQ(ParseConfig(ConfigToJson(config, Dtype::kFloat32), "config.json"), config);
}

TEST_P(FamilyConfig, IsWrittenWithTheValuesOfBothVersions) {
  const json written = ConfigToJson(golden_.config, Dtype::kFloat32);
  for (const json& from : {golden_.config_4, golden_.expected.at("config")}) {
    for (const auto& [key, value] : from.items()) {
      if (!written.contains(key) || key == "num_nextn_predict_layers") continue;
      if (value.is_null() || value.is_object() || key.ends_with("dropout")) continue;
      if (key == "sliding_window" && value == 0) continue;  // qwen2_moe without one
      EXPECT_EQ(written.at(key), value) << key;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyConfig, ::testing::ValuesIn(FamilyGoldenNames()),
                         [](const auto& info) { return info.param; });

// modeling_llama.py and modeling_qwen3.py: attention_bias is one switch for all four projections.
TEST(Config, AttentionBiasIsOfAllProjections) {
  for (const char* name : {"llama", "qwen3_yarn", "granite", "smollm3", "olmo2", "gemma2"}) {
    json config = json::parse(
        base::ReadFile(std::string(COHORT_GOLDEN_DIR) + "/policy/families/" + name + ".json"));
    config = config.at("config");
    config["attention_bias"] = true;
    const ModelConfig parsed = ParseConfig(config, "config.json");
    EXPECT_TRUE(parsed.attention.qkv_bias && parsed.attention.output_bias) << name;
    EXPECT_EQ(ParseConfig(ConfigToJson(parsed, Dtype::kFloat32), "c"), parsed) << name;
  }
}

// The sizes of published models, as their model cards count them.
TEST(CountParameters, IsThatOfPublishedModels) {
  const auto count = [](const json& config) {
    return CountParameters(WithoutMtpLayers(ParseConfig(config, "config.json")));
  };
  EXPECT_EQ(count({{"model_type", "deepseek_v3"},
                   {"vocab_size", 129280},
                   {"hidden_size", 7168},
                   {"intermediate_size", 18432},
                   {"moe_intermediate_size", 2048},
                   {"num_hidden_layers", 61},
                   {"num_attention_heads", 128},
                   {"num_key_value_heads", 128},
                   {"n_routed_experts", 256},
                   {"n_shared_experts", 1},
                   {"num_experts_per_tok", 8},
                   {"n_group", 8},
                   {"topk_group", 4},
                   {"first_k_dense_replace", 3},
                   {"routed_scaling_factor", 2.5},
                   {"q_lora_rank", 1536},
                   {"kv_lora_rank", 512},
                   {"qk_nope_head_dim", 128},
                   {"qk_rope_head_dim", 64},
                   {"v_head_dim", 128},
                   {"num_nextn_predict_layers", 1},
                   {"max_position_embeddings", 163840}}),
            671026419200);
  EXPECT_EQ(count({{"model_type", "qwen2"},
                   {"vocab_size", 151936},
                   {"hidden_size", 896},
                   {"intermediate_size", 4864},
                   {"num_hidden_layers", 24},
                   {"num_attention_heads", 14},
                   {"num_key_value_heads", 2},
                   {"tie_word_embeddings", true},
                   {"max_position_embeddings", 32768}}),
            494032768);
  EXPECT_EQ(count({{"model_type", "qwen3_moe"},
                   {"vocab_size", 151936},
                   {"hidden_size", 2048},
                   {"intermediate_size", 6144},
                   {"num_hidden_layers", 48},
                   {"num_attention_heads", 32},
                   {"num_key_value_heads", 4},
                   {"head_dim", 128},
                   {"num_experts", 128},
                   {"num_experts_per_tok", 8},
                   {"moe_intermediate_size", 768},
                   {"max_position_embeddings", 40960}}),
            30532122624);
  EXPECT_EQ(count({{"model_type", "mixtral"},
                   {"vocab_size", 32000},
                   {"hidden_size", 4096},
                   {"intermediate_size", 14336},
                   {"num_hidden_layers", 32},
                   {"num_attention_heads", 32},
                   {"num_key_value_heads", 8},
                   {"num_local_experts", 8},
                   {"num_experts_per_tok", 2},
                   {"max_position_embeddings", 32768}}),
            46702792704);
  // Counted by transformers 5.23, with the classes' own defaults but for what is stated.
  EXPECT_EQ(count({{"model_type", "gpt_oss"},
                   {"vocab_size", 201088},
                   {"hidden_size", 2880},
                   {"intermediate_size", 2880},
                   {"num_hidden_layers", 24},
                   {"num_attention_heads", 64},
                   {"num_key_value_heads", 8},
                   {"head_dim", 64},
                   {"num_local_experts", 32},
                   {"num_experts_per_tok", 4},
                   {"experts_per_token", 4},
                   {"sliding_window", 128},
                   {"swiglu_limit", 7.0},
                   {"rope_theta", 150000},
                   {"rope_scaling",
                    {{"rope_type", "yarn"},
                     {"factor", 32.0},
                     {"beta_fast", 32.0},
                     {"beta_slow", 1.0},
                     {"truncate", false},
                     {"original_max_position_embeddings", 4096}}},
                   {"quantization_config",
                    {{"quant_method", "mxfp4"},
                     {"modules_to_not_convert",
                      {"model.layers.*.self_attn", "model.layers.*.mlp.router",
                       "model.embed_tokens", "lm_head"}}}},
                   {"max_position_embeddings", 131072}}),
            20914757184);
  EXPECT_EQ(count({{"model_type", "qwen2_moe"},
                   {"vocab_size", 151936},
                   {"hidden_size", 2048},
                   {"intermediate_size", 5632},
                   {"moe_intermediate_size", 1408},
                   {"shared_expert_intermediate_size", 5632},
                   {"num_hidden_layers", 24},
                   {"num_attention_heads", 16},
                   {"num_key_value_heads", 16},
                   {"num_experts", 60},
                   {"num_experts_per_tok", 4},
                   {"max_position_embeddings", 8192}}),
            14315784192);
  EXPECT_EQ(count({{"model_type", "olmoe"},
                   {"vocab_size", 50304},
                   {"hidden_size", 2048},
                   {"intermediate_size", 2048},
                   {"num_hidden_layers", 16},
                   {"num_attention_heads", 16},
                   {"num_experts", 64},
                   {"num_experts_per_tok", 8},
                   {"max_position_embeddings", 4096}}),
            13361612800);
}

// The field's other name alone, as in configs of early exports.
TEST(Config, TakesGptOssesOwnNameOfExpertsAToken) {
  const FamilyGolden golden = ReadFamilyGolden("gpt_oss");
  json config = golden.expected.at("config");
  config["experts_per_token"] = config.at("num_experts_per_tok");
  config.erase("num_experts_per_tok");
  EXPECT_EQ(ParseConfig(config, "config.json"), golden.config);
}

// configuration_phi3.py of transformers 4.57, _rope_scaling_validation.
TEST(Config, TheLongRopeOfPhi3IsWrittenWithTheFieldsOfBothVersions) {
  const ModelConfig config = ReadFamilyGolden("phi3_longrope").config;
  const json written = ConfigToJson(config, Dtype::kFloat32);
  EXPECT_EQ(written.at("rope_scaling").size(), 3U);
  for (const char* key : {"type", "short_factor", "long_factor"}) {
    EXPECT_TRUE(written.at("rope_scaling").contains(key)) << key;
  }
  EXPECT_EQ(written.at("original_max_position_embeddings"), 32);
  EXPECT_EQ(ParseConfig(written, "config.json"), config);
}

// Phi3Config has 32000 where its config.json does not say, beyond a smaller vocabulary.
TEST(Config, APadTokenThatIsNotThereIsWrittenAsNull) {
  const ModelConfig config = ReadFamilyGolden("phi3").config;
  ASSERT_EQ(config.pad_id, -1);
  const json written = ConfigToJson(config, Dtype::kFloat32);
  ASSERT_TRUE(written.contains("pad_token_id"));
  EXPECT_TRUE(written.at("pad_token_id").is_null());
}

// As Qwen publishes it: the text model's fields inside, what holds for all parts outside.
TEST(Config, OfAModelThatSeesImagesIsThatOfItsTextModel) {
  const FamilyGolden golden = ReadFamilyGolden("qwen3_5_text");
  json text = golden.expected.at("config");
  text.erase("tie_word_embeddings");
  json whole = {{"architectures", {"Qwen3_5ForConditionalGeneration"}},
                {"model_type", "qwen3_5"},
                {"tie_word_embeddings", true},
                {"image_token_id", 5},
                {"vision_config", {{"depth", 2}}},
                {"text_config", text}};
  EXPECT_EQ(ParseConfig(whole, "config.json"), golden.config);
  whole["text_config"]["linear_num_value_heads"] = 5;
  try {
    ParseConfig(whole, "config.json");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("config.json, text_config: linear_num_value_heads is 5"));
  }
}

TEST(Config, EveryFourthLayerIsFullWhereLayerTypesDoesNotSay) {
  json config = ReadFamilyGolden("qwen3_5_text").expected.at("config");
  config.erase("layer_types");
  config["num_hidden_layers"] = 9;
  EXPECT_EQ(ParseConfig(config, "config.json").linear.layers,
            (std::vector<int64_t>{0, 1, 2, 4, 5, 6, 8}));
  config["full_attention_interval"] = 2;
  EXPECT_EQ(ParseConfig(config, "config.json").linear.layers,
            (std::vector<int64_t>{0, 2, 4, 6, 8}));
}

// Whatever stands in a field: a config within its bounds, or an error that blames the file.
TEST_P(FamilyConfig, SurvivesEveryFieldThatIsMissingOrOfAnotherKind) {
  const json nasty[] = {nullptr,
                        -1,
                        0,
                        1e300,
                        std::numeric_limits<uint64_t>::max(),
                        std::string("x"),
                        true,
                        2.5,
                        json::array(),
                        json::object(),
                        json::array({json::array({-7})})};
  int refused = 0;
  const auto parse = [&](const json& config, const std::string& what) {
    try {
      const ModelConfig parsed = ParseConfig(config, "config.json");
      EXPECT_GT(CountParameters(parsed), 0) << what;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage) << what;
      EXPECT_THAT(error.what(), HasSubstr("config.json")) << what;
      ++refused;
    }
  };
  for (const json& good : {golden_.expected.at("config"), golden_.config_4}) {
    const json flat = good.flatten();
    for (const auto& [pointer, unused] : flat.items()) {
      json config = good.patch({{{"op", "remove"}, {"path", pointer}}});
      parse(config, "without " + pointer);
      for (const json& value : nasty) {
        config = good;
        config[json::json_pointer(pointer)] = value;
        parse(config, pointer + " = " + value.dump());
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Config, PassesOverASlidingWindowThatQwenDoesNotUse) {
  json config = ReadFamilyGolden("qwen2").expected.at("config");
  config.erase("use_sliding_window");  // off unless stated, as in the class
  config["sliding_window"] = 4096;
  EXPECT_NO_THROW(ParseConfig(config, "config.json"));
}

// Qwen2Config and MistralConfig, as transformers 5.23 fills in what config.json leaves out.
TEST(Config, LeavesWindowsToTheClassWhereTheyAreNotStated) {
  json config = ReadFamilyGolden("qwen2_window").expected.at("config");
  config.erase("layer_types");
  config["max_window_layers"] = 2;
  EXPECT_EQ(ParseConfig(config, "config.json").attention.full_layers, (std::vector<int64_t>{0, 1}));
  config.erase("max_window_layers");  // 28, more than there are
  EXPECT_EQ(ParseConfig(config, "config.json").attention.WindowOf(2), 0);
  config.erase("sliding_window");
  config["max_window_layers"] = 0;
  EXPECT_EQ(ParseConfig(config, "config.json").attention.WindowOf(0), 4096);
  config = ReadFamilyGolden("mistral").expected.at("config");
  EXPECT_EQ(ParseConfig(config, "config.json").attention.WindowOf(0), 0);
  config.erase("sliding_window");
  EXPECT_EQ(ParseConfig(config, "config.json").attention.WindowOf(0), 4096);
}

// LlamaConfig's default, which the first Llama's config.json leaves to the class.
TEST(Config, ALlamaThatStatesNoContextHas2048Tokens) {
  json config = ReadFamilyGolden("llama").expected.at("config");
  config.erase("max_position_embeddings");
  config["max_sequence_length"] = 2048;
  EXPECT_EQ(ParseConfig(config, "config.json").max_positions, 2048);
}

// DeepseekV32Config's default.
TEST(Config, ASparseAttentionThatStatesNoLimitChooses2048Tokens) {
  json config = ReadFamilyGolden("deepseek_v32").expected.at("config");
  config.erase("index_topk");
  config["max_position_embeddings"] = 163840;
  EXPECT_EQ(ParseConfig(config, "config.json").max_positions, 2048);
}

TEST(Config, KeepsLinearScaling) {
  json config = ReadFamilyGolden("llama").expected.at("config");
  config["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 1e5}};
  const ModelConfig parsed = ParseConfig(config, "config.json");
  EXPECT_EQ(parsed.rope.kind, RopeKind::kLinear);
  EXPECT_EQ(parsed.rope.factor, 4.0);
  EXPECT_EQ(ParseConfig(ConfigToJson(parsed, Dtype::kFloat32), "c").rope, parsed.rope);
}

// _compute_yarn_parameters of transformers 5.23; without the key it raises.
TEST(Config, TakesTheRatioOfContextsWhereYarnsFactorIsNull) {
  json config = ReadFamilyGolden("qwen3_yarn").expected.at("config");
  config["rope_parameters"]["factor"] = nullptr;
  EXPECT_EQ(ParseConfig(config, "config.json").rope.factor, 8.0);  // 256 / 32
}

TEST(Config, KnowsWhichLayersAreMixtures) {
  const auto layers = [](const char* name) {
    const ModelConfig config = ReadFamilyGolden(name).config;
    std::vector<bool> moe;
    for (int64_t i = 0; i < config.num_layers; ++i) moe.push_back(config.IsMoeLayer(i));
    return moe;
  };
  EXPECT_EQ(layers("qwen2"), std::vector<bool>({false, false, false}));
  EXPECT_EQ(layers("deepseek_v3"), std::vector<bool>({false, true, true}));
  EXPECT_EQ(layers("qwen3_moe"), std::vector<bool>({false, true, true}));
  EXPECT_EQ(layers("qwen3_moe_step"), std::vector<bool>({false, true, false}));
  EXPECT_EQ(layers("mixtral"), std::vector<bool>({true, true, true}));
}

}  // namespace
}  // namespace cohort::policy
