#pragma once

// What a step of a round works on, and what it tells.

#include <nlohmann/json.hpp>
#include <vector>

#include "policy/model.h"
#include "rl/data/problem_generator.h"
#include "rl/learner/learner.h"
#include "rl/recipe/recipe.pb.h"
#include "rl/records/console.h"
#include "rl/records/diagnostics.h"
#include "rl/records/sample_table.h"
#include "rl/run/fleet.h"
#include "rl/run/progress.h"

namespace cohort::rl {

// References to the parts of one run; nothing is owned. The step functions advance `progress`.
struct RoundContext {
  const proto::Recipe& recipe;
  const policy::Model& model;  // config, tokenizer, template; its weights are the initial ones
  Learner& learner;
  Fleet& fleet;
  ProblemSource& problems;
  RunProgress& progress;
};

// The next round.prompts_per_step() training problems as groups of round.group_size() samples;
// advances the cursor and the ids.
std::vector<PromptTask> NextPromptTasks(RoundContext& context, const proto::Round& round);

// Of the round's optimizer step `update`, counted from 0.
double RoundLearningRate(const proto::Round& round, int64_t update);

struct StepOutcome {
  nlohmann::json metrics;                      // the step's own part of the metrics row
  Progress shown;                              // the step's own part of the progress line
  std::vector<SampleRow> table;                // for people
  std::vector<nlohmann::json> sample_records;  // for samples.jsonl
  StepSymptoms symptoms;
};

}  // namespace cohort::rl
