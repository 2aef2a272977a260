#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

namespace cohort::rl {

// One layer's attention of each kind: the decoder's over a cache, and the learner's over a
// sequence.
struct AttentionBenchmark {
  int64_t heads = 16, kv_heads = 4, head_dim = 64;
  int64_t context = 32768;  // tokens that the decoded token sees in the cache
  int64_t sequence = 2048;  // tokens of the learner's
  int64_t window = 1024;
  double soft_cap = 50;
  int repeats = 5;  // of all kinds in turn; the fastest of each counts
  int num_threads = 0;
};

// Gives {"kinds": [{"attention", "decode_us", "decode_gb_per_s", "forward_ms", "backward_ms"}],
// "window_cost", ..}: plain, with a window, with sinks, with a soft cap, and plain over a cache of
// the window's length; window_cost is the time of a token that sees a window of a long cache over
// that of one whose cache is the window. kUsage for sizes that measure nothing or do not fit each
// other.
nlohmann::json RunAttentionBenchmark(const AttentionBenchmark& benchmark);

}  // namespace cohort::rl
