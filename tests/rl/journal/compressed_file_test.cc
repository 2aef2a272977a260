#include "rl/journal/compressed_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/temporary_folder.h"

namespace cohort::rl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CompressedFileTest : public testing::Test {
 protected:
  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    ForEachCompressedLine(path_, [&](std::string_view line, int) { lines.emplace_back(line); });
    return lines;
  }
  std::string Fault() {
    try {
      Lines();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kEnvironment);
      return error.what();
    }
    return "no error";
  }

  const base::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "lines.zst";
};

TEST_F(CompressedFileTest, LinesComeBackAsTheyWereWritten) {
  CompressedFile file(path_);
  const std::string long_line(1'000'000, 'x');
  file.Write("one\ntw");
  file.Write("o\n\n" + long_line + "\nlast");
  EXPECT_FALSE(std::filesystem::exists(path_)) << "whole or absent";
  const uint64_t bytes = file.Commit();
  EXPECT_EQ(bytes, std::filesystem::file_size(path_));
  EXPECT_THAT(Lines(), ElementsAre("one", "two", long_line, "last"));
}

TEST_F(CompressedFileTest, NoAlteredOrMissingByteIsForgiven) {
  CompressedFile file(path_);
  for (int i = 0; i < 200; ++i) file.Write("{\"line\":" + std::to_string(i * i) + "}\n");
  file.Commit();
  const std::string whole = base::ReadFile(path_);
  const std::vector<std::string> lines = Lines();
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string altered = whole;
    altered[at] = static_cast<char>(altered[at] ^ 0x10);
    std::ofstream(path_, std::ios::binary) << altered;
    // Some bits decide nothing, such as the unused one of the frame's head (RFC 8878, 3.1.1.1.1.3).
    EXPECT_TRUE(Fault() != "no error" || Lines() == lines) << "byte " << at;
    std::ofstream(path_, std::ios::binary) << whole.substr(0, at);
    EXPECT_THAT(Fault(), HasSubstr(" is damaged: ")) << at << " bytes";
  }
}

TEST_F(CompressedFileTest, AFaultOfALineNamesFileAndLine) {
  CompressedFile file(path_);
  file.Write("good\nbad\n");
  file.Commit();
  try {
    ForEachCompressedLine(path_, [](std::string_view line, int) {
      if (line == "bad") throw Error(ErrorCode::kEnvironment, "it is bad");
    });
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), path_.string() + ":2: it is bad");
  }
}

}  // namespace
}  // namespace cohort::rl
