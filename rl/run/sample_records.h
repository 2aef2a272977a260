#pragma once

// The samples of a step that are kept for people: some in the console's table, some in
// samples.jsonl.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rl/objectives/advantages.h"
#include "rl/records/sample_table.h"
#include "rl/rollouts/episode.h"

namespace cohort::rl {

struct KeptSamples {
  std::vector<SampleRow> table;
  std::vector<nlohmann::json> records;  // rows of samples.jsonl, but for the step
  std::string first_failure;            // why the first failed reward did; "": none did
};

// The best and the worst sample of each of the first groups, and some whose reward failed.
// `advantages`: one entry a group.
KeptSamples KeepSamples(const std::vector<EpisodeGroup>& groups,
                        const std::vector<GroupAdvantages>& advantages);

}  // namespace cohort::rl
