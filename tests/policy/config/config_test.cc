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

// A golden's config.json with a merge patch (null removes a field), and the refusal's words.
struct Refusal {
  const char* name;
  const char* golden;
  json patch;
  const char* message;
};

class ConfigRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(ConfigRefuses, ByName) {
  json config = ReadFamilyGolden(GetParam().golden).expected.at("config");
  config.merge_patch(GetParam().patch);
  try {
    ParseConfig(config, "config.json");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr(GetParam().message));
  }
}

json Rope(const json& fields) { return {{"rope_parameters", fields}}; }

const Refusal kOfAllFamilies[] = {
    {"FamilyItDoesNotKnow",
     "llama",
     {{"model_type", "qwen3moe"}},
     "model_type 'qwen3moe' is not supported; did you mean 'qwen3_moe'?"},
    {"FamilyThatIsNotAName", "llama", {{"model_type", 3}}, "model_type is missing"},
    {"Activation",
     "qwen2",
     {{"hidden_act", "gelu"}},
     "hidden_act is \"gelu\", and only \"silu\" is supported"},
    {"FfnBias", "llama", {{"mlp_bias", true}}, "mlp_bias is true"},
    {"QuantizedWeights",
     "deepseek_v3",
     {{"quantization_config", {{"quant_method", "gptq"}}}},
     "quantization_config.quant_method is \"gptq\""},
    {"WindowOfAFamilyWithout", "llama", {{"sliding_window", 4096}}, "sliding_window is 4096"},
    {"WindowOfZero",
     "mistral",
     {{"sliding_window", 0}},
     "sliding_window is 0, expected a whole number from 1 to"},
    {"WindowedLayersWithoutAWindow",
     "qwen2",
     {{"layer_types", {"full_attention", "full_attention", "sliding_attention"}}},
     "layer_types is partly \"sliding_attention\", expected only \"full_attention\" where there is "
     "no sliding_window"},
    {"FullLayersWhereAllHaveAWindow",
     "mistral",
     {{"layer_types", {"full_attention", "sliding_attention", "sliding_attention"}},
      {"sliding_window", 24}},
     "layer_types is partly \"full_attention\""},
    {"TooFewLayerTypes",
     "qwen2_window",
     {{"layer_types", {"full_attention", "sliding_attention"}}},
     "layer_types is of 2 layers, expected one for each of num_hidden_layers, 3"},
    {"LayersOfAnotherKind",
     "qwen2",
     {{"layer_types", {"full_attention", "linear_attention", "full_attention"}}},
     "layer_types is partly \"linear_attention\""},
    {"SparseAttention", "deepseek_v3", {{"index_topk", 2048}}, "index_topk is 2048"},
    {"NoWidth", "llama", {{"hidden_size", nullptr}}, "hidden_size is missing"},
    {"HugeVocabulary",
     "llama",
     {{"vocab_size", int64_t{1} << 40}},
     "vocab_size is 1099511627776, expected a whole number from 1 to 16777216"},
    {"NumberBeyondInt64",
     "llama",
     {{"hidden_size", 18446744073709551615U}},
     "hidden_size is 18446744073709551615"},
    {"FractionOfLayers", "llama", {{"num_hidden_layers", 2.5}}, "num_hidden_layers is 2.5"},
    {"TooManyLayers", "llama", {{"num_hidden_layers", 1025}}, "num_hidden_layers is 1025"},
    {"NegativeEps", "llama", {{"rms_norm_eps", -1e-6}}, "rms_norm_eps is -1e-06"},
    {"EosOutsideTheVocabulary", "llama", {{"eos_token_id", {2, 64}}}, "eos_token_id is 64"},
    {"TieThatIsNotABoolean",
     "llama",
     {{"tie_word_embeddings", "yes"}},
     "tie_word_embeddings is \"yes\", expected true or false"},
};

const Refusal kOfAttention[] = {
    {"BiasOfMistral", "mistral", {{"attention_bias", true}}, "attention_bias is true"},
    {"BiasOfLatentAttention", "deepseek_v3", {{"attention_bias", true}}, "attention_bias is true"},
    {"KvHeadsThatDoNotDivide",
     "llama",
     {{"num_key_value_heads", 3}},
     "num_key_value_heads is 3, expected a divisor of num_attention_heads, 4"},
    {"KvHeadsLeftToTheClass",
     "qwen2",
     {{"num_key_value_heads", nullptr}},
     "num_key_value_heads is missing"},
    {"OddHeads", "qwen3_yarn", {{"head_dim", 7}}, "head_dim is 7, expected a positive even number"},
    {"InterleavedLlama", "llama", {{"rope_interleave", true}}, "rope_interleave is true"},
    {"LatentRankInLlama", "llama", {{"kv_lora_rank", 16}}, "kv_lora_rank is 16"},
    {"KvHeadsOfLatentAttention",
     "deepseek_v3",
     {{"num_key_value_heads", 2}},
     "num_key_value_heads is 2, expected num_attention_heads, 4"},
    {"QueryRankLeftToTheClass",
     "deepseek_v3",
     {{"q_lora_rank", nullptr}},
     "q_lora_rank is missing"},
    {"NoLatentRank", "deepseek_v3", {{"kv_lora_rank", 0}}, "kv_lora_rank is 0"},
    {"OddRotaryWidth", "deepseek_v3", {{"qk_rope_head_dim", 5}}, "qk_rope_head_dim is 5"},
};

const Refusal kOfRope[] = {
    {"ScalingItDoesNotKnow", "llama", Rope({{"rope_type", "longrope"}, {"factor", 2.0}}),
     "rope_parameters.rope_type is \"longrope\", expected \"default\", \"linear\", \"dynamic\", "
     "\"llama3\" or \"yarn\""},
    {"ScalingOfTransformers4",
     "llama",
     {{"rope_parameters", nullptr}, {"rope_scaling", {{"type", "longrope"}, {"factor", 2.0}}}},
     "rope_scaling.type is \"longrope\""},
    {"TwoNamesForTheScaling", "qwen3_yarn", Rope({{"type", "linear"}}),
     "rope_parameters.type is \"linear\""},
    {"DialectsThatDisagree",
     "qwen3_yarn",
     {{"rope_scaling", {{"rope_type", "default"}}}},
     "rope_parameters.rope_type is another one than rope_scaling has"},
    {"BasesThatDisagree", "llama", {{"rope_theta", 500000.0}}, "rope_parameters.rope_theta is"},
    {"PositionsOfImages", "llama", Rope({{"mrope_section", {16, 24, 24}}}),
     "rope_parameters.mrope_section is"},
    {"ScalingForEachLayerType", "llama", Rope({{"full_attention", {{"rope_theta", 1e4}}}}),
     "rope_parameters.full_attention is"},
    {"PartOfTheHeads", "llama", Rope({{"partial_rotary_factor", 0.5}}),
     "partial_rotary_factor is 0.5"},
    {"OddPartOfTheHeadsByDefault", "glm4_moe", Rope({{"partial_rotary_factor", nullptr}}),
     "partial_rotary_factor is 0.5, expected a part of head_dim, 10, that is a positive even "
     "number"},
    {"MoreThanTheHeads", "glm4_moe", Rope({{"partial_rotary_factor", 1.5}}),
     "partial_rotary_factor is 1.5, expected at most 1"},
    {"NoFactor", "llama3_rope", Rope({{"factor", nullptr}}), "rope_parameters.factor is missing"},
    {"FactorsInTheWrongOrder", "llama3_rope", Rope({{"high_freq_factor", 0.5}}),
     "rope_parameters.high_freq_factor is"},
    {"NegativeMscale", "deepseek_v3", Rope({{"mscale", -1.0}}), "rope_parameters.mscale is -1.0"},
    {"BaseOfOne", "llama", Rope({{"rope_theta", 1.0}}), "rope_theta is 1.000000"},
    {"RopeThatIsNotAnObject", "llama", Rope("yarn"), "rope_parameters is \"yarn\""},
};

const Refusal kOfMoe[] = {
    {"MoreExpertsATokenThanThereAre",
     "mixtral",
     {{"num_experts_per_tok", 7}},
     "num_experts_per_tok is 7"},
    {"TooManyExperts", "mixtral", {{"num_local_experts", 5000}}, "num_local_experts is 5000"},
    {"TooManyExpertsInAllLayers",
     "mixtral",
     {{"num_local_experts", 1024}, {"num_hidden_layers", 512}},
     "num_local_experts is 1024, expected a whole number from 2 to 512"},
    {"GroupsThatDoNotDivide",
     "deepseek_v3",
     {{"n_group", 3}, {"topk_group", 2}},
     "n_group is 3, expected a divisor of the number of experts, 8"},
    {"GroupsOfOne",
     "deepseek_v3",
     {{"n_group", 8}, {"topk_group", 4}},
     "that leaves at least 2 in a group"},
    {"MoreExpertsATokenThanItsGroupsHave",
     "deepseek_v3",
     {{"topk_group", 1}},
     "num_experts_per_tok is 3, expected at most the 2 experts in topk_group groups"},
    {"GroupsLeftToTheClass", "deepseek_v3", {{"n_group", nullptr}}, "n_group is missing"},
    {"DenseLayersLeftToTheClass",
     "deepseek_v3",
     {{"first_k_dense_replace", nullptr}},
     "first_k_dense_replace is missing"},
    {"ScalingLeftToTheClass",
     "deepseek_v3",
     {{"routed_scaling_factor", nullptr}},
     "routed_scaling_factor is missing"},
    {"SoftmaxInDeepSeekV3",
     "deepseek_v3",
     {{"scoring_func", "softmax"}},
     "scoring_func is \"softmax\""},
    {"AuxiliaryLossGate", "deepseek_v3", {{"topk_method", "greedy"}}, "topk_method is \"greedy\""},
    {"SigmoidInDeepSeekV2",
     "deepseek_v2",
     {{"scoring_func", "sigmoid"}},
     "scoring_func is \"sigmoid\""},
    {"OtherGateOfDeepSeekV2",
     "deepseek_v2",
     {{"topk_method", "noaux_tc"}},
     "topk_method is \"noaux_tc\""},
    {"NormalisedDeepSeekV2", "deepseek_v2", {{"norm_topk_prob", true}}, "norm_topk_prob is true"},
    {"EverySecondLayerOfDeepSeek", "deepseek_v3", {{"moe_layer_freq", 2}}, "moe_layer_freq is 2"},
    {"JitterInTheRouter", "mixtral", {{"router_jitter_noise", 0.1}}, "router_jitter_noise is 0.1"},
    {"DenseLayersThatAreNoList",
     "qwen3_moe",
     {{"mlp_only_layers", 0}},
     "mlp_only_layers is 0, expected a list of layer indices"},
    {"NegativeDenseLayer", "qwen3_moe", {{"mlp_only_layers", {-1}}}, "mlp_only_layers is -1"},
    {"OtherLimitOfGptOss", "gpt_oss", {{"swiglu_limit", 5.0}}, "swiglu_limit is 5.0"},
    {"OtherSlopeOfGptOss", "gpt_oss", {{"swiglu_alpha", 1.0}}, "swiglu_alpha is 1.0"},
    {"NamesOfExpertsATokenThatDisagree",
     "gpt_oss",
     {{"num_experts_per_tok", 2}, {"experts_per_token", 4}},
     "experts_per_token is 4, and only 2 is supported"},
    {"Fp8OfGptOss",
     "gpt_oss",
     {{"quantization_config", {{"quant_method", "fp8"}}}},
     "quantization_config.quant_method is \"fp8\", and only \"mxfp4\" is supported"},
    {"Mxfp4OfAnotherFamily",
     "qwen2_moe",
     {{"quantization_config", {{"quant_method", "mxfp4"}}}},
     "quantization_config.quant_method is \"mxfp4\", and only \"fp8\" is supported"},
    {"KeptModulesThatAreNoNames",
     "gpt_oss",
     {{"quantization_config", {{"quant_method", "mxfp4"}, {"modules_to_not_convert", {1}}}}},
     "quantization_config.modules_to_not_convert is [1], expected a list of module names"},
    {"SharedExpertLeftToTheClass",
     "qwen2_moe",
     {{"shared_expert_intermediate_size", nullptr}},
     "shared_expert_intermediate_size is missing"},
    {"SharedExpertOfNoWidth",
     "qwen2_moe",
     {{"shared_expert_intermediate_size", 0}},
     "shared_expert_intermediate_size is 0"},
    {"StepOfZero", "qwen3_moe", {{"decoder_sparse_step", 0}}, "decoder_sparse_step is 0"},
};

// The field's other name alone, as in configs of early exports.
TEST(Config, TakesGptOssesOwnNameOfExpertsAToken) {
  const FamilyGolden golden = ReadFamilyGolden("gpt_oss");
  json config = golden.expected.at("config");
  config["experts_per_token"] = config.at("num_experts_per_tok");
  config.erase("num_experts_per_tok");
  EXPECT_EQ(ParseConfig(config, "config.json"), golden.config);
}

const Refusal kOfGatedDeltaNets[] = {
    {"TooFewLinearLayers",
     "qwen3_5_text",
     {{"layer_types", {"linear_attention"}}},
     "layer_types is of 1 layers, expected one for each of num_hidden_layers, 4"},
    {"WindowBesideLinearLayers",
     "qwen3_5_text",
     {{"layer_types",
       {"linear_attention", "sliding_attention", "linear_attention", "full_attention"}}},
     "layer_types is partly \"sliding_attention\", expected \"full_attention\" or "
     "\"linear_attention\""},
    {"LayerTypesThatAreNoList", "qwen3_5_text", {{"layer_types", "full"}}, "layer_types is"},
    {"ValueHeadsThatDoNotDivide",
     "qwen3_5_text",
     {{"linear_num_value_heads", 5}},
     "linear_num_value_heads is 5, expected a multiple of linear_num_key_heads, 2"},
    {"NoKeyHeads", "qwen3_5_text", {{"linear_num_key_heads", 0}}, "linear_num_key_heads is 0"},
    {"ConvolutionOfZero",
     "qwen3_5_text",
     {{"linear_conv_kernel_dim", 0}},
     "linear_conv_kernel_dim is 0"},
    {"HugeState",
     "qwen3_5_text",
     {{"linear_value_head_dim", 1 << 20}},
     "linear_value_head_dim is 1048576"},
    {"OutputWithoutItsGate",
     "qwen3_5_text",
     {{"attn_output_gate", false}},
     "attn_output_gate is false, and only true is supported"},
    {"GateOfAFamilyWithout",
     "qwen3_yarn",
     {{"attn_output_gate", true}},
     "attn_output_gate is true"},
    {"ImagesWithoutATextModel",
     "qwen3_5_text",
     {{"model_type", "qwen3_5"}},
     "text_config is missing, expected an object: the config of the text model in a qwen3_5, or "
     "model_type qwen3_5_text"},
};

std::string NameOf(const ::testing::TestParamInfo<Refusal>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Any, ConfigRefuses, ::testing::ValuesIn(kOfAllFamilies), NameOf);
INSTANTIATE_TEST_SUITE_P(Attention, ConfigRefuses, ::testing::ValuesIn(kOfAttention), NameOf);
INSTANTIATE_TEST_SUITE_P(Rope, ConfigRefuses, ::testing::ValuesIn(kOfRope), NameOf);
INSTANTIATE_TEST_SUITE_P(Moe, ConfigRefuses, ::testing::ValuesIn(kOfMoe), NameOf);
INSTANTIATE_TEST_SUITE_P(GatedDeltaNets, ConfigRefuses, ::testing::ValuesIn(kOfGatedDeltaNets),
                         NameOf);

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

TEST(Config, KeepsLinearScaling) {
  json config = ReadFamilyGolden("llama").expected.at("config");
  config["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 1e5}};
  const ModelConfig parsed = ParseConfig(config, "config.json");
  EXPECT_EQ(parsed.rope.kind, RopeKind::kLinear);
  EXPECT_EQ(parsed.rope.factor, 4.0);
  EXPECT_EQ(ParseConfig(ConfigToJson(parsed, Dtype::kFloat32), "c").rope, parsed.rope);
}

TEST(Config, TakesTheRatioOfContextsWhereYarnStatesNoFactor) {
  json config = ReadFamilyGolden("qwen3_yarn").expected.at("config");
  config["rope_parameters"].erase("factor");
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
