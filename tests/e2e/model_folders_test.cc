// Folders that are given as a model: a run, a checkpoint, one without a tokenizer.

#include <gmock/gmock.h>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

using ::testing::HasSubstr;

class ModelFolders : public TinyRun {
 protected:
  // JSON lines of `cohort generate` in NAME.log, which has notes and errors too.
  int Generate(const std::string& name, const std::string& model, std::vector<std::string> more) {
    more.insert(more.begin(), {"generate", "--model", (folder_ / model).string(), "--greedy",
                               "--max-tokens", "3", "--json"});
    return RunCommand(name, std::move(more));
  }
};

TEST_F(ModelFolders, ARunAndACheckpointStandForTheirModel) {
  ASSERT_EQ(Run("run"), 0) << Log("run");
  const std::vector<std::string> prompt = {"--prompt", "1+1="};
  ASSERT_EQ(Generate("model", "run/checkpoints/step-6/model", prompt), 0) << Log("model");
  ASSERT_EQ(Generate("step", "run/checkpoints/step-6", prompt), 0) << Log("step");
  ASSERT_EQ(Generate("newest", "run", prompt), 0) << Log("newest");
  const std::string run = (folder_ / "run").string();
  EXPECT_EQ(Log("step"),
            run + "/checkpoints/step-6 is a checkpoint: its model/ is used\n" + Log("model"));
  EXPECT_EQ(Log("newest"),
            run + " is a run folder: its newest checkpoint step-6 is used\n" + Log("model"));
  ASSERT_EQ(RunCommand("converted", {"convert", "--from", run, "--to", (folder_ / "c").string()}),
            0);
  ASSERT_EQ(Generate("of_converted", "c", prompt), 0);
  EXPECT_EQ(Log("of_converted"), Log("model"));
}

TEST_F(ModelFolders, IdsNeedNoTokenizer) {
  ASSERT_EQ(Run("run", {"rounds[0].steps=1", "rounds[1].steps=1"}), 0) << Log("run");
  const fs::path model = folder_ / "run/checkpoints/step-2/model";
  fs::remove(model / "tokenizer.json");
  std::ofstream(folder_ / "ids.jsonl") << "{\"id\": 1, \"ids\": [49, 43, 49]}\n";
  const std::string ids = (folder_ / "ids.jsonl").string();
  const std::string folder = "run/checkpoints/step-2/model";
  ASSERT_EQ(Generate("ids", folder, {"--input", ids}), 0) << Log("ids");
  EXPECT_THAT(Log("ids"), HasSubstr("completions have ids and no text: "));
  EXPECT_THAT(Log("ids"), HasSubstr("\"text\":null"));
  EXPECT_EQ(Generate("text", folder, {"--prompt", "1+1="}), 3);
  EXPECT_THAT(Log("text"), HasSubstr("tokenizer.json does not exist"));
  EXPECT_EQ(RunCommand("plain", {"generate", "--model", model.string(), "--input", ids}), 3);
  EXPECT_THAT(Log("plain"), HasSubstr("completions would have no text"));
}

}  // namespace
}  // namespace cohort
