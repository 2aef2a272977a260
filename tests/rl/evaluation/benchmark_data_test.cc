#include "rl/evaluation/benchmark_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "reward/registry.h"
#include "rl/data/prompt_template.h"

namespace cohort::rl {
namespace {

class BenchmarkDataTest : public testing::Test {
 protected:
  std::string NameOf(const nlohmann::json& row) {
    const auto* found = FindBenchmark(folder_.Write("data.jsonl", "\n" + row.dump() + "\n"));
    return found == nullptr ? "none" : found->name;
  }

  base::TemporaryFolder folder_;
};

TEST_F(BenchmarkDataTest, AFileIsKnownByItsColumns) {
  EXPECT_EQ(NameOf({{"question", "?"}, {"answer", "So.\n#### 4"}}), "GSM8K");
  EXPECT_EQ(NameOf({{"problem", "?"}, {"solution", "!"}, {"answer", "4"}, {"level", 2}}), "MATH");
  EXPECT_EQ(NameOf({{"prompt", "def f():"}, {"entry_point", "f"}, {"test", "def check"}}),
            "HumanEval");
  EXPECT_EQ(NameOf({{"prompt", "?"}, {"test_list", {"assert f()"}}}), "MBPP");
}

TEST_F(BenchmarkDataTest, AnotherFileIsNone) {
  EXPECT_EQ(NameOf({{"prompt", "?"}, {"answer", "4"}}), "none");
  EXPECT_EQ(NameOf({{"question", "?"}, {"answer", "4"}}), "none");
  EXPECT_EQ(FindBenchmark(folder_.Write("text", "no JSON")), nullptr);
  EXPECT_THROW(FindBenchmark(folder_.path() / "missing"), Error);
}

TEST_F(BenchmarkDataTest, EachIsPosedFromItsOwnColumnsForARewardThatThereIs) {
  for (const BenchmarkData& benchmark : KnownBenchmarks()) {
    nlohmann::json row;
    for (const std::string& column : benchmark.columns) row[column] = column;
    EXPECT_THAT(FillTemplate(benchmark.prompt_template, row),
                testing::HasSubstr(benchmark.prompt_field));
    EXPECT_NO_THROW(reward::FindReward(benchmark.reward)) << benchmark.name;
  }
}

}  // namespace
}  // namespace cohort::rl
