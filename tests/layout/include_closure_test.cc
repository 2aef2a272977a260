// The headers that a folder's files reach: the model, the kernels and the learner stand on neither
// gRPC nor Protobuf, so that they compile where those are not installed, as on a GPU machine.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

// Folders that reach no RPC header.
const std::vector<std::string> kWithoutRpc = {"policy", "kernels", "rl/learner"};

std::vector<std::string> IncludesOf(const fs::path& file) {
  static const std::regex include("^#include [<\"]([^>\"]+)[>\"]");
  std::vector<std::string> names;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_search(line, match, include)) names.push_back(match[1]);
  }
  return names;
}

bool IsRpcHeader(const std::string& name) {
  return name.starts_with("grpc") || name.starts_with("google/protobuf") || name.ends_with(".pb.h");
}

// "a.cc -> b.h -> b.cc -> x.pb.h", the first chain that ends at an RPC header, through own includes
// and, with each header, the source beside it, which links too; empty where there is none.
std::string ChainToRpc(const std::string& file, std::set<std::string>* seen) {
  for (const std::string& name : IncludesOf(fs::path(COHORT_SOURCE_DIR) / file)) {
    if (IsRpcHeader(name)) return file + " -> " + name;
    const std::string source = fs::path(name).replace_extension(".cc");
    for (const std::string& next : {name, source}) {
      if (!fs::exists(fs::path(COHORT_SOURCE_DIR) / next) || !seen->insert(next).second) continue;
      const std::string chain = ChainToRpc(next, seen);
      if (!chain.empty()) return file + " -> " + chain;
    }
  }
  return "";
}

std::vector<std::string> ChainsFrom(const std::string& folder, int* files) {
  std::vector<std::string> chains;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(COHORT_SOURCE_DIR) / folder)) {
    const std::string extension = entry.path().extension();
    if (extension != ".h" && extension != ".cc" && extension != ".cu" && extension != ".cuh") {
      continue;
    }
    ++*files;
    std::set<std::string> seen;
    const std::string file = fs::relative(entry.path(), COHORT_SOURCE_DIR);
    const std::string chain = ChainToRpc(file, &seen);
    if (!chain.empty()) chains.push_back(chain);
  }
  return chains;
}

TEST(IncludeClosure, OfModelKernelsAndLearnerReachesNeitherGrpcNorProtobuf) {
  for (const std::string& folder : kWithoutRpc) {
    int files = 0;
    for (const std::string& chain : ChainsFrom(folder, &files)) ADD_FAILURE() << chain;
    EXPECT_GT(files, 8) << folder;
  }
}

TEST(IncludeClosure, IsFollowedThroughHeaders) {
  int files = 0;
  size_t indirect = 0;
  for (const std::string& chain : ChainsFrom("rollout", &files)) {
    indirect += chain.find(" -> ") != chain.rfind(" -> ") ? 1 : 0;
  }
  EXPECT_GT(indirect, 0u) << "the room of the workers reaches its own .pb.h through its headers";
}

// policy/transformer/ops is the one place that chooses between our kernels and LibTorch. The gate's
// rule is shared by all who route, the FFN's unit by all who compute one.
TEST(IncludeClosure, OfPolicyOnlyTheOpsIncludeKernels) {
  int ops = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(COHORT_SOURCE_DIR) / "policy")) {
    if (!entry.is_regular_file()) continue;
    const std::string file = fs::relative(entry.path(), COHORT_SOURCE_DIR);
    const bool is_op = file.starts_with("policy/transformer/ops/");
    for (const std::string& name : IncludesOf(entry.path())) {
      const bool is_rule = name == "kernels/cpu/gate.h" || name == "kernels/cpu/gated_unit.h";
      if (!name.starts_with("kernels/") || is_rule) continue;
      EXPECT_TRUE(is_op) << file << " includes " << name;
      ++ops;
    }
  }
  EXPECT_GT(ops, 2);
}

}  // namespace
