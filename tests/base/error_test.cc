#include "base/error.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"

namespace cohort {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string Reported(const std::function<void()>& fails, int* status) {
  try {
    fails();
  } catch (const std::exception& error) {
    testing::internal::CaptureStderr();
    *status = ReportError(error);
    return testing::internal::GetCapturedStderr();
  }
  return "no error";
}

TEST(ReportError, AFileSystemErrorIsASentenceWithPathReasonAndHint) {
  const base::TemporaryFolder temporary;
  const fs::path folder = temporary.path(), file = folder / "file";
  std::ofstream(file) << "x";
  fs::create_symlink("circle", folder / "circle");
  const std::pair<std::function<void()>, std::vector<std::string>> cases[] = {
      {[&] { fs::create_directories(file / "a"); }, {"create", file.string(), "Not a directory"}},
      {[&] { fs::directory_iterator(folder / "gone"); }, {(folder / "gone").string(), "No such"}},
      {[&] { static_cast<void>(fs::file_size(folder / "circle")); }, {"circle", "symbolic links"}},
      {[&] { fs::create_directory(folder / std::string(300, 'n')); }, {"File name too long"}},
      {[&] { fs::rename(folder / "gone", folder / "to"); }, {"rename", "gone", " -> ", "to"}},
  };
  for (const auto& [fails, parts] : cases) {
    int status = 0;
    const std::string text = Reported(fails, &status);
    EXPECT_EQ(status, 3) << text;
    EXPECT_THAT(text, AllOf(HasSubstr("error: cannot "), HasSubstr("hint: "),
                            Not(HasSubstr("filesystem error"))));
    for (const std::string& part : parts) EXPECT_THAT(text, HasSubstr(part));
  }
}

}  // namespace
}  // namespace cohort
