#pragma once

// The demonstrations of a rejection_sft round: the policy's own answers that the rewards confirmed
// (rejection sampling, DeepSeek-R1 arXiv 2501.12948 section 2.3.3).

#include <filesystem>
#include <vector>

#include "rl/run/round_context.h"
#include "rl/run/sft_step.h"

namespace cohort::rl {

struct VerifiedAnswers {
  std::vector<Demonstration> kept;
  int64_t sampled = 0;
};

// Samples round.group_size() answers to round.prompts_per_step() training problems and keeps those
// that ended by themselves with a reward of at least round.min_reward(), each different one once.
VerifiedAnswers CollectVerifiedAnswers(RoundContext& context, const proto::Round& round);

// They are written before the first step, since a resumed run can no longer sample them. Durable.
void WriteVerifiedAnswers(const std::filesystem::path& run_folder, int round,
                          const std::vector<Demonstration>& answers);
std::vector<Demonstration> ReadVerifiedAnswers(const std::filesystem::path& run_folder, int round);

}  // namespace cohort::rl
