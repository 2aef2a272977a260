// Paths that cannot be used, given to every command that takes one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

TEST(FileFaults, EndInASentenceWithPathAndReason) {
  const base::TemporaryFolder temporary;
  const fs::path folder = temporary.path();
  const std::string recipe = folder / "tiny.yaml", file = folder / "file";
  std::ofstream(file) << "{\"id\": 1, \"prompt\": \"x\"}\n";
  std::ofstream(recipe)
      << "name: tiny\nmodel: {scratch: {layers: 1, width: 16, heads: 1, kv_heads: "
         "1, ffn_width: 16, experts: 0, context: 64}}\ndata: {generator: "
         "addition}\nrewards: [{name: math}]\nrounds: [{kind: sft, steps: 1}]\n";
  fs::create_symlink("loop", folder / "loop");
  const std::pair<std::string, std::string> paths[] = {
      {folder / "loop", "symbolic links"},
      {folder / "loop" / "x", "symbolic links"},
      {folder / "file" / "x", "Not a directory"},
      {folder / std::string(300, 'n'), "File name too long"},
      {folder / "gone" / "x", "No such file"}};
  // Where a command makes folders, those of the last path are no fault.
  const std::vector<std::vector<std::string>> commands[] = {
      {{"generate", "--input", file, "--model"},
       {"score", "--input", file, "--model"},
       {"tokenize", "--input", file, "--model"},
       {"plan", "--model"},
       {"grade", "--reward", "math", "--input"},
       {"reward", "try", "--reward", "math", "--input"},
       {"objective", "--input"},
       {"bench", "decode", "--model"},
       {"convert", "--to", folder / "to", "--from"},
       {"eval", "--completions", file, "--reward", "math", "--data"},
       {"train"}},
      {{"train", recipe, "--out"}}};
  for (const auto& [path, reason] : paths) {
    for (const bool makes_folders : {false, true}) {
      if (makes_folders && reason == "No such file") continue;
      for (std::vector<std::string> command : commands[makes_folders ? 1 : 0]) {
        const std::string name = command[0];
        command.insert(command.begin(), std::string(COHORT_BIN_DIR) + "/cohort");
        command.push_back(path);
        fs::remove(folder / "log");
        ChildProcess child(command, folder / "log");
        const auto status = child.Wait(kLimit);
        const std::string log = base::ReadFile(folder / "log");
        EXPECT_TRUE(status == 2 || status == 3) << name << " " << path << ": " << log;
        EXPECT_THAT(log, AllOf(HasSubstr("error: "), HasSubstr(path),
                               AnyOf(HasSubstr(reason), HasSubstr("does not exist")),
                               Not(HasSubstr("filesystem error"))))
            << name;
      }
    }
  }
}

}  // namespace
}  // namespace cohort
