#include "base/durable_file.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "base/running_checksum.h"
#include "base/temporary_folder.h"

namespace cohort::base {
namespace {

class DurableFileTest : public testing::Test {
 protected:
  const TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

TEST_F(DurableFileTest, CommitMakesTheFileAppearWhole) {
  const auto path = folder_ / "a";
  DurableFile file(path);
  file.Write("hello ");
  file.Write("world");
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(file.Commit(), Checksum("hello world"));
  EXPECT_EQ(ReadFile(path), "hello world");
}

TEST_F(DurableFileTest, AnUncommittedFileLeavesTheOldOneAndNoTemporary) {
  const auto path = folder_ / "a";
  WriteFileDurably(path, "old");
  {
    DurableFile file(path);
    file.Write("new");
  }
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".tmp"));
}

TEST_F(DurableFileTest, AFullDiskIsAClearErrorAndTheOldFileStays) {
  // In a mount namespace of its own, so that nothing stays mounted.
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", folder_.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "mounting is not permitted here";
  }
  const auto path = folder_ / "a";
  WriteFileDurably(path, "old");
  try {
    WriteFileDurably(path, std::string(100'000, 'x'));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos);
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_EQ(umount(folder_.c_str()), 0);
}

TEST_F(DurableFileTest, APlantedLinkIsNotFollowed) {
  const auto path = folder_ / "a", victim = folder_ / "victim";
  WriteFileDurably(victim, "precious");
  std::filesystem::create_symlink(victim, path.string() + ".tmp");
  std::filesystem::create_symlink(victim, path);
  WriteFileDurably(path, "new");
  EXPECT_EQ(ReadFile(victim), "precious");
  EXPECT_EQ(ReadFile(path), "new");
  EXPECT_FALSE(std::filesystem::is_symlink(path));
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(path.string() + ".tmp")));
}

TEST_F(DurableFileTest, ATemporaryNameThatIsTakenAndStaysIsAvoided) {
  const auto path = folder_ / "a";
  std::filesystem::create_directories(path.string() + ".tmp/x");  // unlink cannot remove it
  WriteFileDurably(path, "new");
  EXPECT_EQ(ReadFile(path), "new");
}

TEST_F(DurableFileTest, WhatAKilledWriterLeftIsReplaced) {
  const auto path = folder_ / "a";
  std::ofstream(path.string() + ".tmp") << "half";
  WriteFileDurably(path, "new");
  EXPECT_EQ(ReadFile(path), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(DurableFileTest, ReadingAMissingFileNamesIt) {
  try {
    ReadFile(folder_ / "missing");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("missing"), std::string::npos);
  }
}

TEST(RunningChecksum, IsThatOfAllBytesWhateverThePieces) {
  std::string bytes(100'000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * i % 251);
  for (const size_t step : {size_t{1}, size_t{7}, size_t{1024}, bytes.size()}) {
    RunningChecksum checksum;
    for (size_t i = 0; i < bytes.size(); i += step) {
      checksum.Add(std::string_view(bytes).substr(i, step));
    }
    EXPECT_EQ(checksum.value(), Checksum(bytes)) << step;
  }
  EXPECT_EQ(RunningChecksum().value(), Checksum(""));
}

}  // namespace
}  // namespace cohort::base
