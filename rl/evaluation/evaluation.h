#pragma once

// Held-out accuracy, judged by the recipe's own rewards.

#include <optional>
#include <string>
#include <vector>

#include "policy/model.h"
#include "rl/data/problem_generator.h"
#include "rl/rollouts/collector.h"

namespace cohort::rl {

// One completion of a problem as it was judged.
struct JudgedSample {
  std::string completion;
  bool judged = false;  // false: the grader failed; neither right nor wrong
  double score = 0;     // of the first reward term
  std::string detail;
  // What the reward found in the completion, "" for nothing; absent: it looks for no answer.
  std::optional<std::string> answer;
  int64_t answer_group = -1;  // of rl/evaluation/answer_groups.h
  int64_t tokens = 0;         // 0 where it came as text
  bool truncated = false;

  bool correct() const { return judged && score >= 1.0; }
};

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
  std::vector<EvaluatedProblem> examples;  // the first `num_examples`
  std::vector<std::vector<JudgedSample>>
      outcomes;  // of every problem, in the order of the problems
};

struct EvaluationInputs {
  const policy::Model& model;  // tokenizer and template
  const std::vector<Problem>& problems;
  rollout::Sampling sampling;  // temperature 0 = greedy
  std::vector<reward::RewardTerm> terms;
  int num_examples = 3;
  int samples_per_problem = 1;  // more than one: accuracy is the mean over all samples
};

Evaluation Evaluate(Collector& collector, const EvaluationInputs& inputs);

// A problem as the model reads it.
PromptTask MakePromptTask(const policy::Model& model, const Problem& problem, uint64_t group_id,
                          uint64_t first_sample_id, int group_size);

}  // namespace cohort::rl
