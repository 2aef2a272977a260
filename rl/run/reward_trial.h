#pragma once

// Rewards on training rows before anything is sampled: a reward that cannot judge is found before
// the first step and not by it.

#include <filesystem>
#include <string>
#include <vector>

#include "policy/model.h"
#include "rl/data/problem_source.h"
#include "rl/recipe/recipe.pb.h"
#include "rl/records/console.h"
#include "rl/rollouts/fleet_rollouts.h"

namespace cohort::rl {

// A completion that nobody sampled.
struct StandIn {
  std::string text;
  std::string origin;  // "the row's demonstration"
};
// Guesses at a good answer to the row, in the order in which they are tried: its
// demonstration, where it has one; its answer in \boxed{}, in the tags of DeepSeek-R1's template,
// by itself.
std::vector<StandIn> StandIns(const Problem& problem);

// rows[i] with the completion completions[i], in groups of one episode, as Rollouts::Judge takes
// them. Its tokens are those of the model's tokenizer, with the end token.
std::vector<EpisodeGroup> PoseRows(const policy::Model& model,
                                   const std::vector<SharedProblem>& rows,
                                   const std::vector<std::string>& completions);

// Whether a grader failed, in place of a score or of nothing to say.
bool Failed(reward::Status status);

// A reward that failed on rows of a trial.
struct RewardFailure {
  std::string reward;
  size_t failed = 0, tried = 0;  // rows; failed: whatever the stand-in
  std::string reason;            // the first, with its FILE:LINE where the reward has one
};
// Those of judged episodes, one entry a reward that failed on some.
std::vector<RewardFailure> FailuresOf(const std::vector<EpisodeGroup>& judged);

// Poses two training rows to every reward, and some more where one fails on both: with their other
// stand-ins, then other rows. A low score is no failure.
std::vector<RewardFailure> TryRewards(Rollouts& rollouts, const policy::Model& model,
                                      ProblemSource& problems);

// Warns of a reward that failed on some rows. Errors: kEnvironment for one that failed on all.
void CheckRewards(const std::vector<RewardFailure>& failures, Console& console);

// Whether a round of it samples, so that rewards are asked.
bool SamplesCompletions(const proto::Recipe& recipe);

// The reward services of a recipe without its workers. `folder` takes their logs.
FleetRollouts JudgesOf(const proto::Recipe& recipe, const policy::Model& model,
                       const std::filesystem::path& folder);

}  // namespace cohort::rl
