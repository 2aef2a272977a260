#include "rl/commands/attention_benchmark.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace cohort::rl {
namespace {

TEST(AttentionBenchmark, ReportsEachKindOfAttentionAndWhatAWindowCosts) {
  const nlohmann::json result = RunAttentionBenchmark({.heads = 4,
                                                       .kv_heads = 2,
                                                       .head_dim = 16,
                                                       .context = 300,
                                                       .sequence = 40,
                                                       .window = 64,
                                                       .repeats = 1,
                                                       .num_threads = 1});
  std::vector<std::string> kinds;
  for (const nlohmann::json& line : result["kinds"]) {
    kinds.push_back(line["attention"]);
    for (const char* figure : {"decode_us", "decode_gb_per_s", "forward_ms", "backward_ms"}) {
      EXPECT_GT(line[figure].get<double>(), 0) << figure;
    }
  }
  EXPECT_EQ(kinds, (std::vector<std::string>{"plain", "window", "sinks", "soft_cap",
                                             "plain_of_the_windows_length"}));
  EXPECT_GT(result["window_cost"].get<double>(), 0);
  EXPECT_EQ(result["threads"], 1);
}

TEST(AttentionBenchmark, RefusesSizesThatMeasureNothingOrDoNotFit) {
  EXPECT_THROW(RunAttentionBenchmark({.heads = 5, .kv_heads = 2}), Error);
  EXPECT_THROW(RunAttentionBenchmark({.context = 100, .window = 200}), Error);
  EXPECT_THROW(RunAttentionBenchmark({.window = 0}), Error);
  EXPECT_THROW(RunAttentionBenchmark({.soft_cap = 0}), Error);
}

}  // namespace
}  // namespace cohort::rl
