#pragma once

// The parts of one run that its rounds work with.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policy/model.h"
#include "rl/checkpoint/run_folder.h"
#include "rl/data/problem_source.h"
#include "rl/recipe/recipe.pb.h"
#include "rl/records/console.h"
#include "rl/rollouts/rollouts.h"

namespace cohort::rl {

class Learner;  // rl/learner/learner.h, which is slow to read: most rounds only hand it on

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
  // The policy is still to be evaluated: a checkpoint comes before the evaluation.
  bool evaluation_due = false;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(RunProgress, step, round, step_in_round,
                                              updates_in_round, data_cursor, next_group_id,
                                              next_sample_id, policy_version, evaluation_due)
};

// References only; nothing is owned. The rounds and the run advance `progress`.
struct RunContext {
  const proto::Recipe& recipe;
  const RunFolder& folder;
  const policy::Model& model;  // config, tokenizer, template; the learner has the weights
  ProblemSource& problems;
  Rollouts& rollouts;
  Learner& learner;
  Console& console;
  RunProgress& progress;
};

// The next spec.prompts_per_step() training problems as groups of spec.group_size() episodes that
// are still to be sampled; advances the data cursor and the ids.
std::vector<EpisodeGroup> NextEpisodeGroups(RunContext& context, const proto::RoundSpec& spec);

// Where a run stands, for people: "start", "round 1 (sft)", "step 50 of round 2 (grpo)".
std::string DescribePosition(const RunContext& context);

// The workers sample from the learner's weights as they are now, which is nothing to do where they
// hold this version already. Returns the seconds it took.
double PublishPolicy(RunContext& context);

// The learning rate of the round's next optimizer step, of the `total_updates` that it takes.
double NextLearningRate(const RunContext& context, const proto::RoundSpec& spec,
                        int64_t total_updates);

}  // namespace cohort::rl
