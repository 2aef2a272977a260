// Rules of the tree that no compiler checks: includes point downwards, files stay small and well
// named.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"base", {"base"}},
    {"kernels", {"kernels"}},
    {"policy", {"policy", "kernels", "base"}},
    {"reward", {"reward", "base"}},
    {"rollout", {"rollout", "policy", "kernels", "base"}},
    {"rl", {"rl", "rollout", "reward", "policy", "kernels", "base"}},
};

struct SourceFile {
  fs::path path;
  std::string room;
  std::vector<std::string> lines;
};

std::vector<SourceFile> SourcesUnder(const std::string& folder, const std::string& room) {
  static const std::set<std::string> kExtensions = {".h", ".cc", ".cu", ".cuh"};
  std::vector<SourceFile> sources;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(COHORT_SOURCE_DIR) / folder)) {
    if (!kExtensions.contains(entry.path().extension())) continue;
    SourceFile source{entry.path(), room, {}};
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) source.lines.push_back(line);
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<SourceFile> AllRooms() {
  std::vector<SourceFile> all;
  for (const auto& [room, allowed] : kMayInclude) {
    for (SourceFile& source : SourcesUnder(room, room)) all.push_back(std::move(source));
  }
  return all;
}

TEST(Layout, IncludesPointDownwardsOnly) {
  const std::regex include("^#include \"([a-z]+)/[^\"]+\"");
  int seen = 0;
  for (const SourceFile& source : AllRooms()) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(source.lines[i], match, include)) continue;
      ++seen;
      EXPECT_TRUE(kMayInclude.at(source.room).contains(match[1]))
          << source.path.string() << ":" << i + 1 << ": " << source.room << "/ may not include "
          << match[1] << "/";
    }
  }
  EXPECT_GT(seen, 50) << "the pattern no longer finds includes";
}

TEST(Layout, RewardNeverIncludesLibTorch) {
  const std::regex torch("^#include [<\"](torch|ATen|c10)/");
  for (const SourceFile& source : SourcesUnder("reward", "reward")) {
    for (const std::string& line : source.lines) {
      EXPECT_FALSE(std::regex_search(line, torch)) << source.path.string() << ": " << line;
    }
  }
}

TEST(Layout, FilesHoldOneConceptAndStaySmall) {
  for (const SourceFile& source : AllRooms()) {
    const size_t limit = source.room == "kernels"          ? 700
                         : source.path.extension() == ".h" ? 150
                                                           : 500;
    EXPECT_LE(source.lines.size(), limit) << source.path.string();
  }
  for (const SourceFile& source : SourcesUnder("tests", "tests")) {
    EXPECT_LE(source.lines.size(), 500u) << source.path.string();
  }
}

TEST(Layout, NoFileHasANameThatNamesNothing) {
  static const std::set<std::string> kEmptyNames = {"utils",  "util",    "helpers",
                                                    "common", "manager", "misc"};
  for (const SourceFile& source : AllRooms()) {
    EXPECT_FALSE(kEmptyNames.contains(source.path.stem().string())) << source.path.string();
  }
}

TEST(Layout, EveryRoomHasAReadmeThatListsItsFiles) {
  for (const auto& [room, allowed] : kMayInclude) {
    const fs::path readme = fs::path(COHORT_SOURCE_DIR) / room / "README.md";
    std::ifstream in(readme);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    ASSERT_FALSE(text.empty()) << readme.string() << " is missing";
    for (const SourceFile& source : SourcesUnder(room, room)) {
      EXPECT_NE(text.find(source.path.stem().string()), std::string::npos)
          << readme.string() << " does not mention " << source.path.filename().string();
    }
  }
}

}  // namespace
