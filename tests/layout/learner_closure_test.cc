// The learner compiles where neither gRPC nor Protobuf is installed, as on a GPU machine: nothing
// that it reaches through includes names them.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::vector<std::string> IncludesOf(const fs::path& file) {
  static const std::regex include("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"]");
  std::vector<std::string> names;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_search(line, match, include)) names.push_back(match[1]);
  }
  return names;
}

// Every include that the folder's files reach, and with a header of ours the source beside it.
std::set<std::string> IncludeClosure(const std::string& folder) {
  const fs::path root = COHORT_SOURCE_DIR;
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(root / folder)) {
    left.push_back(fs::relative(entry.path(), root));
  }
  std::set<std::string> seen;
  while (!left.empty()) {
    const std::string name = left.back();
    left.pop_back();
    if (!seen.insert(name).second || !fs::exists(root / name)) continue;
    for (const std::string& included : IncludesOf(root / name)) left.push_back(included);
    if (name.ends_with(".h")) left.push_back(name.substr(0, name.size() - 2) + ".cc");
  }
  return seen;
}

TEST(LearnerClosure, ReachesNeitherGrpcNorProtobuf) {
  const std::regex forbidden("^(grpc|grpcpp|google/protobuf)/|\\.pb\\.h$");
  const std::set<std::string> closure = IncludeClosure("rl/learner");
  EXPECT_TRUE(closure.contains("policy/transformer/transformer.cc")) << "includes are followed";
  for (const std::string& name : closure) {
    EXPECT_FALSE(std::regex_search(name, forbidden)) << "rl/learner reaches " << name;
  }
}

TEST(LearnerClosure, FindsProtobufWhereItIs) {
  EXPECT_TRUE(IncludeClosure("rl/recipe").contains("rl/recipe/recipe.pb.h"));
}

}  // namespace
