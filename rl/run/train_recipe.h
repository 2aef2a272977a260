#pragma once

#include <string>

#include "rl/checkpoint/run_folder.h"
#include "rl/data/problem_source.h"
#include "rl/recipe/recipe.pb.h"
#include "rl/rollouts/fleet_rollouts.h"

namespace cohort::rl {

// How a run of the recipe reads its rows. The model outlives what is read with them.
ProblemSource::Options ProblemOptions(const proto::Recipe& recipe, const policy::Model& model);

// Opens the model without its weights, poses the data as the run would and tries the rewards on
// some of it; one line on each.
// Errors: those of a run that could not start.
std::string DescribeRun(const proto::Recipe& recipe);

// Makes what a run of the recipe needs (policy, learner, problems, local processes) and runs it in
// `folder`, from its start or from where it stopped. Errors: those of TrainingRun and of the parts.
void TrainRecipe(const proto::Recipe& recipe, const RunFolder& folder, const Programs& programs);

}  // namespace cohort::rl
