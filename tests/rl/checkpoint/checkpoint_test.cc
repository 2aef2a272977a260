#include "rl/checkpoint/checkpoint.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/counter_random.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"

namespace cohort::rl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TrainingState State(int64_t step) {
  TrainingState state;
  state.tensors["policy/a"] =
      at::arange(12, at::kFloat).reshape({3, 4}) + static_cast<double>(step);
  state.tensors["policy/b"] = at::arange(5, at::kBFloat16);
  state.tensors["adam_m/empty"] = at::empty({0, 3}, at::kDouble);
  state.tensors["scalar"] = at::full({}, 7, at::kLong);
  state.scalars = {{"step", step}, {"loss", 0.1 + 0.2}, {"cursor", UINT64_MAX}};
  return state;
}

void ExportText(const fs::path& folder) {
  std::ofstream(folder / "config.json") << "{\"layers\":2}";
  fs::create_directory(folder / "deeper");
  std::ofstream(folder / "deeper" / "weights.bin") << std::string(5000, 'w');
}

void ExpectEqual(const TrainingState& a, const TrainingState& b) {
  EXPECT_EQ(a.scalars, b.scalars);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    ASSERT_TRUE(b.tensors.contains(name)) << name;
    EXPECT_EQ(tensor.scalar_type(), b.tensors.at(name).scalar_type()) << name;
    EXPECT_TRUE(at::equal(tensor, b.tensors.at(name))) << name;
  }
}

class CheckpointTest : public testing::Test {
 protected:
  fs::path Folder(const std::string& name) { return run() / "checkpoints" / name; }
  const fs::path& run() { return folder_.path(); }
  void Save(int64_t step) { SaveCheckpoint(run(), step, State(step), ExportText); }
  std::vector<fs::path> FilesOf(const std::string& name) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(Folder(name))) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  // The step that a resume finds; checks that its checkpoint is whole.
  int64_t NewestStep() {
    const CheckpointSearch found = FindNewestCheckpoint(run());
    warnings_.insert(warnings_.end(), found.warnings.begin(), found.warnings.end());
    if (!found.newest) return -1;
    ExpectEqual(found.newest->state, State(found.newest->step));
    return found.newest->step;
  }

  base::TemporaryFolder folder_;
  std::vector<std::string> warnings_;
};

TEST_F(CheckpointTest, LoadsBackBitForBit) {
  EXPECT_EQ(NewestStep(), -1) << "nothing there";
  Save(3);
  Save(20);
  EXPECT_EQ(NewestStep(), 20) << "the newest by number, not by name";
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(base::ReadFile(Folder("step-20/model/config.json")), "{\"layers\":2}");
}

TEST_F(CheckpointTest, ARunThatWasKilledInItsFirstSaveHoldsNone) {
  fs::create_directories(Folder("step-0.tmp"));
  EXPECT_FALSE(HoldsCheckpoints(run()));
  Save(0);
  EXPECT_TRUE(HoldsCheckpoints(run()));
  fs::rename(Folder("step-0"), Folder("step-0.bad"));
  EXPECT_TRUE(HoldsCheckpoints(run())) << "a damaged one was finished";
}

TEST_F(CheckpointTest, ViewsAndTransposesAreSavedByValue) {
  TrainingState state = State(1);
  state.tensors["policy/a"] = state.tensors["policy/a"].t().slice(0, 1, 3);
  SaveCheckpoint(run(), 1, state, {});
  ExpectEqual(FindNewestCheckpoint(run()).newest->state, state);
}

TEST_F(CheckpointTest, EveryTruncationIsFoundAndThePreviousOneIsUsed) {
  Save(1);
  Save(2);
  for (const fs::path& file : FilesOf("step-2")) {
    const std::string whole = base::ReadFile(file);
    for (const size_t length :
         {size_t{0}, size_t{1}, size_t{8}, whole.size() / 2, size_t{4096}, whole.size() - 1}) {
      if (length >= whole.size()) continue;
      fs::resize_file(file, length);
      EXPECT_THAT(CheckpointFault(Folder("step-2")), HasSubstr(file.filename().string())) << length;
      std::ofstream(file, std::ios::binary) << whole;
    }
    EXPECT_EQ(CheckpointFault(Folder("step-2")), "");
  }
  fs::resize_file(Folder("step-2/state.tensors"), 10);
  EXPECT_EQ(NewestStep(), 1);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_THAT(warnings_[0], HasSubstr("step-2 is damaged (state.tensors has 10 bytes, expected "));
  EXPECT_TRUE(fs::exists(Folder("step-2.bad"))) << "kept for whoever wants to look";
}

TEST_F(CheckpointTest, EveryFlippedBitIsFound) {
  Save(1);
  const auto files = FilesOf("step-1");
  ASSERT_EQ(files.size(), 5u);
  base::CounterRandom random(1, 0, 0);
  for (int trial = 0; trial < 400; ++trial) {
    const fs::path& file = files[trial % files.size()];
    const std::string whole = base::ReadFile(file);
    std::string flipped = whole;
    const auto bit = random.Uniform(0, static_cast<int64_t>(8 * whole.size()) - 1);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    std::ofstream(file, std::ios::binary) << flipped;
    ASSERT_NE(CheckpointFault(Folder("step-1")), "") << file << " bit " << bit;
    std::ofstream(file, std::ios::binary) << whole;
  }
  EXPECT_EQ(CheckpointFault(Folder("step-1")), "");
}

TEST_F(CheckpointTest, AMissingFileIsNamed) {
  Save(1);
  fs::remove(Folder("step-1/model/config.json"));
  EXPECT_THAT(CheckpointFault(Folder("step-1")), HasSubstr("model/config.json cannot be read"));
  fs::remove(Folder("step-1/manifest.json"));
  EXPECT_THAT(CheckpointFault(Folder("step-1")), HasSubstr("manifest.json cannot be read"));
}

TEST_F(CheckpointTest, WithoutAGoodOneNothingIsLoaded) {
  Save(1);
  Save(2);
  for (const char* name : {"step-1", "step-2"}) fs::resize_file(Folder(name) / "state.json", 3);
  EXPECT_EQ(NewestStep(), -1);
  EXPECT_EQ(warnings_.size(), 2u);
}

TEST_F(CheckpointTest, AKillAtAnyPointOfSavingLeavesTheLastOne) {
  Save(1);
  // The export is the middle of a save: a killed process leaves step-2.tmp behind.
  const pid_t child = fork();
  if (child == 0) {
    SaveCheckpoint(run(), 2, State(2), [](const fs::path&) { _exit(7); });
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 7);
  ASSERT_TRUE(fs::exists(Folder("step-2.tmp")));
  EXPECT_EQ(NewestStep(), 1);
  Save(2);
  EXPECT_FALSE(fs::exists(Folder("step-2.tmp")));
  EXPECT_EQ(NewestStep(), 2);
  // Just before the rename everything is written, but under the temporary name.
  fs::rename(Folder("step-2"), Folder("step-2.tmp"));
  EXPECT_EQ(NewestStep(), 1);
  EXPECT_TRUE(warnings_.empty()) << "an unfinished save is nothing to worry about";
}

TEST_F(CheckpointTest, AnOlderCheckpointOfTheSameStepIsReplaced) {
  SaveCheckpoint(run(), 4, State(9), ExportText);
  Save(4);
  EXPECT_EQ(NewestStep(), 4);
  EXPECT_FALSE(fs::exists(Folder("step-4.tmp")));
}

TEST_F(CheckpointTest, AFailedSaveLeavesTheOthersAlone) {
  Save(1);
  try {
    SaveCheckpoint(run(), 2, State(2), [](const fs::path& folder) {
      base::WriteFileDurably(folder / "config.json", "half of an export");
      throw Error(ErrorCode::kEnvironment, "cannot write weights.bin: No space left on device");
    });
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_THAT(error.what(), HasSubstr("cannot save the checkpoint of step 2"));
    EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
  }
  EXPECT_FALSE(fs::exists(Folder("step-2.tmp")));
  EXPECT_EQ(NewestStep(), 1);
}

TEST_F(CheckpointTest, AFullDiskLosesNothing) {
  const fs::path disk = run() / "disk";
  fs::create_directory(disk);
  if (mount("none", disk.c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  }
  TrainingState large = State(2);
  large.tensors["policy/large"] = at::zeros({1 << 20}, at::kFloat);
  SaveCheckpoint(disk, 1, State(1), ExportText);
  EXPECT_THROW(SaveCheckpoint(disk, 2, large, ExportText), Error);
  const auto loaded = FindNewestCheckpoint(disk).newest;
  EXPECT_TRUE(loaded && loaded->step == 1);
  EXPECT_FALSE(fs::exists(disk / "checkpoints" / "step-2.tmp")) << "its space is free again";
  EXPECT_EQ(umount(disk.c_str()), 0);
}

TEST_F(CheckpointTest, PruningKeepsTheNewestAndNeverFewerThanTwo) {
  for (int64_t step : {1, 2, 10, 11}) Save(step);
  fs::create_directory(Folder("step-12.tmp"));
  PruneCheckpoints(run(), 3);
  EXPECT_FALSE(fs::exists(Folder("step-1")));
  EXPECT_FALSE(fs::exists(Folder("step-12.tmp")));
  EXPECT_TRUE(fs::exists(Folder("step-2")));
  PruneCheckpoints(run(), 0);
  EXPECT_FALSE(fs::exists(Folder("step-2")));
  EXPECT_TRUE(fs::exists(Folder("step-10")));
  EXPECT_EQ(NewestStep(), 11);
}

}  // namespace
}  // namespace cohort::rl
