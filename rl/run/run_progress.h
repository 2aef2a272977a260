#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

namespace cohort::rl {

// The counters of a run. A resumed run goes on from them, and all randomness follows from them and
// the recipe's seed.
struct RunProgress {
  int64_t step = 0;              // finished steps of the whole run
  int32_t round = 0;             // index of the current round
  int64_t step_in_round = 0;     // finished steps of it
  int64_t updates_in_round = 0;  // optimizer steps of it, for the learning rate
  uint64_t data_cursor = 0;      // next training problem
  uint64_t next_group_id = 0;
  uint64_t next_sample_id = 0;
  int64_t policy_version = 1;  // + 1 per optimizer step; 0 means no weights yet
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(RunProgress, step, round, step_in_round, updates_in_round,
                                 data_cursor, next_group_id, next_sample_id, policy_version)
};

}  // namespace cohort::rl
