// Rules of the tree that no compiler checks: includes point downwards, files stay small and well
// named.

#include <gtest/gtest.h>

#include <algorithm>
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

// The sub-rooms of each room, lowest first; "" is the room's own folder. A file includes only from
// its own folder and from those before it, so that no circle can form.
const std::map<std::string, std::vector<std::string>> kSubRooms = {
    {"base", {""}},
    {"kernels", {"cpu", "cpu/vector", ""}},
    {"policy",
     {"tensor", "config", "tokenizer", "chat/jinja", "chat", "weights", "gguf", "transformer/ops",
      "transformer", "lora", ""}},
    {"reward",
     {"", "text", "structured", "cache", "math/algebra", "math/parse", "math/value", "math/compare",
      "math/extract", "math", "code/box", "code", "plugins", "rewards", "service"}},
    {"rollout", {"", "decoder", "cpu", "weight_sync", "worker"}},
    {"rl",
     {"recipe", "objectives", "data", "fleet", "rollouts", "learner", "checkpoint", "records",
      "evaluation", "journal", "plan", "run", "commands", ""}},
};

struct SourceFile {
  fs::path path;
  std::string room;
  std::vector<std::string> lines;

  std::string sub_room() const {
    const fs::path folder = path.lexically_relative(COHORT_SOURCE_DIR).parent_path();
    return folder == room ? "" : folder.lexically_relative(room).string();
  }
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

// Where a sub-room stands in its room's order; -1: it is not listed.
int Height(const std::string& room, const std::string& sub_room) {
  const std::vector<std::string>& order = kSubRooms.at(room);
  const auto found = std::find(order.begin(), order.end(), sub_room);
  return found == order.end() ? -1 : static_cast<int>(found - order.begin());
}

TEST(Layout, EveryFolderOfARoomStandsInTheOrderOfSubRooms) {
  for (const SourceFile& source : AllRooms()) {
    EXPECT_GE(Height(source.room, source.sub_room()), 0) << source.path.string();
  }
}

TEST(Layout, IncludesBetweenSubRoomsPointDownwardsOnly) {
  const std::regex include("^#include \"([a-z]+)/(?:([a-z_/]+)/)?[^/\"]+\"");
  int seen = 0;
  for (const SourceFile& source : AllRooms()) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(source.lines[i], match, include) || match[1] != source.room) continue;
      ++seen;
      EXPECT_LE(Height(source.room, match[2]), Height(source.room, source.sub_room()))
          << source.path.string() << ":" << i + 1 << ": " << source.lines[i] << " points upwards";
    }
  }
  EXPECT_GT(seen, 50) << "the pattern no longer finds includes";
}

TEST(Layout, NoFolderHoldsMoreUnitsThanOneCanOverlook) {
  std::map<std::string, std::set<std::string>> units;
  for (const SourceFile& source : AllRooms()) {
    units[source.path.parent_path().string()].insert(source.path.stem().string());
  }
  for (const auto& [folder, names] : units) EXPECT_LE(names.size(), 25u) << folder;
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

// A reader who finds a name must not have to ask which of two it is. Types inside of a class bear
// its name too, and are free.
TEST(Layout, NoTwoTypesOfANamespaceBearOneName) {
  const std::regex type(
      "^(?:struct|class|enum class) ([A-Z][A-Za-z0-9]*)(?: final)?(?: : .*)? \\{");
  std::map<std::string, std::string> file_of;
  for (const SourceFile& source : AllRooms()) {
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (!std::regex_search(line, match, type)) continue;
      const auto [found, is_new] = file_of.emplace(match[1], source.path.string());
      EXPECT_TRUE(is_new) << match[1] << " is in " << found->second << " and in "
                          << source.path.string();
    }
  }
}

std::string ReadText(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Layout, EverySubRoomHasAReadmeThatNamesItsUnits) {
  for (const auto& [room, sub_rooms] : kSubRooms) {
    for (const std::string& sub_room : sub_rooms) {
      const fs::path readme = fs::path(COHORT_SOURCE_DIR) / room / sub_room / "README.md";
      EXPECT_FALSE(ReadText(readme).empty()) << readme.string() << " is missing";
    }
  }
  for (const SourceFile& source : AllRooms()) {
    const std::string name = source.path.stem().string();
    const std::string text = ReadText(source.path.parent_path() / "README.md");
    EXPECT_TRUE(std::regex_search(text, std::regex("\\b" + name + "\\b")))
        << source.path.parent_path().string() << "/README.md does not name `" << name << "`";
  }
}

}  // namespace
