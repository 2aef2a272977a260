#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "policy/model.h"
#include "rl/commands/commands.h"

namespace cohort::rl {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What `cohort score` prints, or its error with its hint.
std::string Score(const std::string& model, const std::string& input, std::string engine) {
  std::vector<std::string> words = {"score",    "--model",        model, "--input", input.data(),
                                    "--engine", std::move(engine)};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  testing::internal::CaptureStdout();
  std::string error;
  try {
    EXPECT_EQ(RunScore(static_cast<int>(argv.size()), argv.data()), 0);
  } catch (const Error& thrown) {
    EXPECT_EQ(thrown.code(), ErrorCode::kUsage);
    error = thrown.what() + (" | " + thrown.hint());
  }
  const std::string printed = testing::internal::GetCapturedStdout();
  return error.empty() ? printed : error;
}

TEST(ScoreCommand, BothEnginesRefuseATextBeyondTheContextInTheSameWords) {
  const base::TemporaryFolder folder;
  policy::Model model = policy::LoadModel(std::string(COHORT_GOLDEN_DIR) + "/policy/tiny_llama");
  model.config.max_positions = 10;
  model.tokenizer = nullptr;
  policy::SaveModel(model, folder.path() / "model");
  const std::string name = folder.path() / "model";
  const std::string within =
      folder.Write("within.jsonl", "{\"id\":1,\"ids\":[1,2,3,4,5,6,7,8,9,10]}\n");
  const std::string beyond =
      folder.Write("beyond.jsonl", "{\"id\":1,\"ids\":[1,2,3,4,5,6,7,8,9,10,11]}\n");
  for (const char* engine : {"learner", "decoder"}) {
    EXPECT_THAT(Score(name, within, engine), HasSubstr("\"logprobs\":[")) << engine;
    const std::string refusal = Score(name, beyond, engine);
    EXPECT_THAT(refusal, HasSubstr("beyond.jsonl:1: a text of 11 tokens is longer than the "
                                   "model's context of 10 | "))
        << engine;
    EXPECT_THAT(refusal, HasSubstr("max_position_embeddings")) << engine;
  }
}

}  // namespace
}  // namespace cohort::rl
