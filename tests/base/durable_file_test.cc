#include "base/durable_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
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
  // /dev/full fails every write with ENOSPC; the temporary name is a link to it.
  const auto path = folder_ / "a";
  WriteFileDurably(path, "old");
  std::filesystem::create_symlink("/dev/full", path.string() + ".tmp");
  try {
    WriteFileDurably(path, "new");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos);
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_EQ(ReadFile(path), "old");
}

TEST_F(DurableFileTest, ReadingAMissingFileNamesIt) {
  try {
    ReadFile(folder_ / "missing");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("missing"), std::string::npos);
  }
}

}  // namespace
}  // namespace cohort::base
