#pragma once

// Held-out accuracy, judged by the recipe's own rewards.

#include <cstdint>
#include <string>
#include <vector>

#include "rl/data/problem_source.h"
#include "rl/evaluation/judged_episode.h"
#include "rl/rollouts/rollouts.h"

namespace cohort::rl {

struct EvaluatedProblem {
  std::string prompt;
  std::string answer;
  std::string completion;
  bool correct = false;
};

struct Evaluation {
  int64_t problems = 0;          // judged samples
  int64_t failed = 0;            // the grader failed; neither right nor wrong
  double accuracy = 0;           // share of the judged whose first reward term scores at least 1
  double completion_tokens = 0;  // mean
  double truncated = 0;          // share that ran into the length limit
  double wall_s = 0;
  std::vector<EvaluatedProblem> examples;            // the first `num_examples`
  std::vector<std::vector<JudgedEpisode>> outcomes;  // of every problem, in their order
};

struct EvaluationInputs {
  const std::vector<SharedProblem>& problems;
  rollout::Sampling sampling;  // temperature 0 = greedy
  int num_examples = 3;
  int samples_per_problem = 1;  // more than one: accuracy is the mean over all samples
};

// Samples from the weights that the workers hold.
Evaluation Evaluate(Rollouts& rollouts, const EvaluationInputs& inputs);

}  // namespace cohort::rl
