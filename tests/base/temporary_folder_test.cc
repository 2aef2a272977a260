#include "base/temporary_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>

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

TEST(TemporaryFolder, ThatCannotBeMadeIsAnErrorOfTheEnvironment) {
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TMPDIR", "/proc", 1);
  try {
    const TemporaryFolder folder;
    FAIL() << "a folder in /proc";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
    EXPECT_STREQ(error.what(), "cannot make a folder like /proc/cohort-XXXXXX");
  }
  before == nullptr ? unsetenv("TMPDIR") : setenv("TMPDIR", kept.c_str(), 1);
}

}  // namespace
}  // namespace cohort::base
