// An evaluation of a run's model: several samples a problem, through workers and a reward service.

#include <gmock/gmock.h>

#include "tests/e2e/tiny_run.h"

namespace cohort {
namespace {

using testing::HasSubstr;

class EvalTest : public TinyRun {};

TEST_F(EvalTest, AModelOfAShortContextIsEvaluatedWithVotes) {
  ASSERT_EQ(Run("run"), 0) << Log("run");
  std::ofstream(folder_ / "sums.jsonl") << R"({"prompt":"1+1=","answer":2,"kind":"even"})"
                                        << "\n"
                                        << R"({"prompt":"1+2=","answer":3,"kind":"odd"})"
                                        << "\n";
  const fs::path samples = folder_ / "samples.jsonl";
  ASSERT_EQ(RunCommand("eval", {"eval", "--model", folder_ / "run/checkpoints/step-6/model",
                                "--data", folder_ / "sums.jsonl", "--reward", "last_number", "--n",
                                "3", "--by", "kind", "--samples-out", samples}),
            0)
      << Log("eval");
  EXPECT_THAT(Log("eval"), HasSubstr("pass@3 "));
  EXPECT_THAT(Log("eval"), HasSubstr("maj@3 "));
  EXPECT_THAT(Log("eval"), HasSubstr("kind odd: "));
  int rows = 0;
  base::ForEachJsonLine(samples, [&](const Json& row, int) {
    ++rows;
    EXPECT_TRUE(row.at("extracted").is_string()) << row;
    EXPECT_GE(row.at("answer_group"), 0) << row;
  });
  EXPECT_EQ(rows, 6);
}

}  // namespace
}  // namespace cohort
