#include "policy/locate_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/temporary_folder.h"

namespace cohort::policy {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class LocateModelTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }
  void Write(const std::string& name, const std::string& text = "{}") {
    fs::create_directories((folder_.path() / name).parent_path());
    folder_.Write(name, text);
  }
  void WriteCheckpoint(const std::string& name, bool finished = true) {
    Write(name + "/state.json");
    Write(name + "/model/config.json");
    if (finished) Write(name + "/manifest.json");
  }
  std::string Located(const std::string& name) const { return LocateModel(Path(name)).string(); }
  std::string ErrorOf(const std::string& name) const {
    try {
      return "no error: " + Located(name);
    } catch (const Error& error) {
      return std::string(error.what()) + " | " + error.hint();
    }
  }

  const base::TemporaryFolder folder_;
};

TEST_F(LocateModelTest, ARunStandsForItsNewestFinishedCheckpoint) {
  Write("run/recipe.resolved.yaml", "");
  WriteCheckpoint("run/checkpoints/step-9");
  WriteCheckpoint("run/checkpoints/step-10");
  WriteCheckpoint("run/checkpoints/step-11", /*finished=*/false);
  WriteCheckpoint("run/checkpoints/step-12.tmp");
  WriteCheckpoint("run/checkpoints/step-13.bad");
  EXPECT_EQ(Located("run"), Path("run/checkpoints/step-10/model"));
  EXPECT_EQ(Located("run/checkpoints"), Path("run/checkpoints/step-10/model"));
}

TEST_F(LocateModelTest, ACheckpointStandsForItsModel) {
  WriteCheckpoint("run/checkpoints/step-9");
  EXPECT_EQ(Located("run/checkpoints/step-9"), Path("run/checkpoints/step-9/model"));
  EXPECT_EQ(Located("run/checkpoints/step-9/model"), Path("run/checkpoints/step-9/model"));
}

TEST_F(LocateModelTest, WhichCheckpointIsTakenIsSaidOnce) {
  WriteCheckpoint("run/checkpoints/step-200");
  ::testing::internal::CaptureStderr();
  Located("run");
  Located("run");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            Path("run") + " is a run folder: its newest checkpoint step-200 is used\n");
}

TEST_F(LocateModelTest, AFolderOfAModelIsItself) {
  Write("model/config.json");
  Write("texts/tokenizer.json");
  EXPECT_EQ(Located("model"), Path("model"));
  EXPECT_EQ(Located("texts"), Path("texts"));
}

TEST_F(LocateModelTest, ARunWithoutAFinishedCheckpointIsRefused) {
  Write("run/recipe.resolved.yaml", "");
  EXPECT_THAT(ErrorOf("run"), HasSubstr("is a run folder without a finished checkpoint"));
  WriteCheckpoint("run/checkpoints/step-1", /*finished=*/false);
  EXPECT_THAT(ErrorOf("run"), HasSubstr("is a run folder without a finished checkpoint"));
  EXPECT_THAT(ErrorOf("run/checkpoints/step-1"), HasSubstr("a checkpoint that was not finished"));
}

TEST_F(LocateModelTest, ACheckpointWithoutAModelIsRefused) {
  Write("run/checkpoints/step-1/state.json");
  Write("run/checkpoints/step-1/manifest.json");
  EXPECT_THAT(ErrorOf("run/checkpoints/step-1"), HasSubstr("without an exported model"));
  EXPECT_THAT(ErrorOf("run"), HasSubstr("without an exported model"));
}

TEST_F(LocateModelTest, AnAdapterIsRefusedWithWhatToDo) {
  Write("adapter/adapter_config.json", R"({"base_model_name_or_path": "some/base"})");
  EXPECT_THAT(ErrorOf("adapter"),
              AllOf(HasSubstr("holds a LoRA adapter, not a model"),
                    HasSubstr("cohort convert --from some/base --adapter " + Path("adapter"))));
  Write("merged/config.json");
  Write("merged/adapter/adapter_config.json");
  EXPECT_THAT(ErrorOf("merged/adapter"), HasSubstr("the folder above it is the model"));
}

TEST_F(LocateModelTest, WhatIsNoModelIsRefused) {
  Write("file.txt", "");
  EXPECT_THAT(ErrorOf("file.txt"), HasSubstr("neither a folder nor a .gguf file"));
  EXPECT_THAT(ErrorOf("nothing"), HasSubstr("does not exist"));
}

}  // namespace
}  // namespace cohort::policy
