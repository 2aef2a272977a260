#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "policy/prompt_encoding.h"
#include "reward/reward.pb.h"
#include "rl/data/problem.h"

namespace cohort::rl {

// A problem as the policy reads it and as the rewards are told of it. Made once, then shared by
// everything that has to do with the problem.
struct EncodedProblem {
  Problem problem;
  std::vector<int32_t> prompt_ids;
  std::string columns_json;  // problem.columns, for the reward service
};

// Inputs of the model's chat template that the problem has besides its messages.
policy::TemplateInputs ToTemplateInputs(const Problem& problem);

std::shared_ptr<const EncodedProblem> EncodeProblem(const policy::Model& model, Problem problem);

}  // namespace cohort::rl
