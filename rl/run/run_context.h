#pragma once

// The parts of one run that its rounds work with.

#include <cstdint>
#include <vector>

#include "policy/model.h"
#include "rl/checkpoint/run_folder.h"
#include "rl/data/problem_source.h"
#include "rl/learner/learner.h"
#include "rl/recipe/recipe.pb.h"
#include "rl/records/console.h"
#include "rl/rollouts/rollouts.h"
#include "rl/run/run_progress.h"

namespace cohort::rl {

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

// The workers sample from the learner's weights as they are now, which is nothing to do where they
// hold this version already. Returns the seconds it took.
double PublishPolicy(RunContext& context);

// The learning rate of the round's next optimizer step, of the `total_updates` that it takes.
double NextLearningRate(const RunContext& context, const proto::RoundSpec& spec,
                        int64_t total_updates);

}  // namespace cohort::rl
