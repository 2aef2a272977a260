#include "base/temporary_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/durable_file.h"
#include "base/error.h"

namespace cohort::base {
namespace {

TEST(TemporaryFolder, IsRemovedWithAllThatIsInIt) {
  std::filesystem::path path;
  {
    const TemporaryFolder folder, other;
    path = folder.path();
    EXPECT_NE(path, other.path());
    EXPECT_EQ(ReadFile(folder.Write("a", std::string("b\0c", 3))), std::string("b\0c", 3));
    std::filesystem::create_directories(path / "below" / "further");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TemporaryFolder, OfAKilledProcessIsRemovedByTheNextAndOneInUseIsNot) {
  const TemporaryFolder parent;  // stands in for /tmp
  const auto make = [&](const std::string& name) {
    const auto path = parent.path() / name;
    std::filesystem::create_directories(path / "below");
    timespec old[2] = {{1, 0}, {1, 0}};
    utimensat(AT_FDCWD, path.c_str(), old, 0);
    return path;
  };
  const auto abandoned = make("cohort.aaaaaa"), other = make("precious"),
             used = make("cohort.bbbbbb");
  const int lock = open(used.c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  const pid_t child = fork();  // a process that has made no folder yet
  if (child == 0) {
    setenv("TMPDIR", parent.path().c_str(), 1);
    execl("/proc/self/exe", "base_test", "--gtest_filter=TemporaryFolder.IsRemovedWith*", nullptr);
    _exit(127);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(std::filesystem::exists(abandoned));
  EXPECT_TRUE(std::filesystem::exists(used));
  EXPECT_TRUE(std::filesystem::exists(other));
  close(lock);
}

TEST(TemporaryFolder, ThatCannotBeMadeIsAnErrorOfTheEnvironment) {
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TMPDIR", "/proc", 1);
  try {
    const TemporaryFolder folder;
    FAIL() << "a folder in /proc";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_STREQ(error.what(), "cannot make a folder like /proc/cohort.XXXXXX");
  }
  before == nullptr ? unsetenv("TMPDIR") : setenv("TMPDIR", kept.c_str(), 1);
}

}  // namespace
}  // namespace cohort::base
