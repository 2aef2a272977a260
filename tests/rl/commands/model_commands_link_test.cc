// A program with the commands about models alone has no learner in it.

#include <gtest/gtest.h>

#include "base/durable_file.h"
#include "rl/commands/commands.h"

namespace cohort::rl {
namespace {

// Whether the program's symbols have a name of cohort::rl, mangled as the Itanium ABI says. Made at
// run time: a literal would find itself.
bool Holds(const std::string& program, const std::string& name) {
  return program.find("N6cohort2rl" + std::to_string(name.size()) + name) != std::string::npos;
}

TEST(ModelCommands, NeedNoLearner) {
  for (const auto command :
       {RunConvert, RunGenerate, RunObjective, RunProblems, RunScore, RunTokenize}) {
    ASSERT_NE(command, nullptr);
  }
  const std::string program = base::ReadFile("/proc/self/exe");
  ASSERT_TRUE(Holds(program, "ParseObjectiveCase")) << "the symbols are stripped";
  for (const char* name : {"Learner", "AdamW", "TrainingRun", "PackMicroBatch"}) {
    EXPECT_FALSE(Holds(program, name)) << name;
  }
}

}  // namespace
}  // namespace cohort::rl
