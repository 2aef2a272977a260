#pragma once

// Completions that are there already, judged in this process.

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "rl/data/problem.h"
#include "rl/evaluation/judged_episode.h"

namespace cohort::rl {

// One line for each problem, in their order: {"completion": "..."} or {"completions": ["...",
// ...]}, every other field ignored. Those of the first `wanted` problems. kUsage with FILE:LINE for
// a line without, and for another number of lines than problems or than wanted.
std::vector<std::vector<std::string>> ReadCompletions(const std::filesystem::path& path,
                                                      size_t problems, size_t wanted);

// outcomes[i][j]: completions[i][j] under the first term.
std::vector<std::vector<JudgedEpisode>> GradeCompletions(
    const std::vector<Problem>& problems, const std::vector<std::vector<std::string>>& completions,
    const reward::RewardTerm& term, std::chrono::milliseconds limit);

}  // namespace cohort::rl
