#pragma once

// An objective and the groups to apply it to, as `cohort objective` reads them.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "rl/objectives/policy_loss_metrics.h"
#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

using TokenValues = std::vector<std::vector<double>>;  // [G][tokens of sample g]

struct CaseGroup {
  std::vector<std::optional<double>> rewards;  // [G]; none: the sample failed
  TokenValues policy_logprobs;
  std::optional<TokenValues> old_logprobs;
  std::optional<TokenValues> rollout_logprobs;
  std::optional<TokenValues> ref_logprobs;
  std::optional<std::vector<std::vector<bool>>> loss_mask;  // none: every token counts
};

struct ObjectiveCase {
  std::string name;            // may be empty
  proto::Objective objective;  // resolved
  std::vector<CaseGroup> groups;
};

// Errors: kUsage naming the field, e.g. "groups[0].old_logprobs[1] has 3 tokens, policy_logprobs[1]
// has 2".
ObjectiveCase ParseObjectiveCase(const nlohmann::json& json);

struct CaseResult {
  std::vector<std::vector<std::optional<double>>> advantages;  // none where the sample failed
  double loss = 0;
  std::vector<TokenValues> grad;  // d loss / d policy_logprobs; 0 where masked or failed
  PolicyLossMetrics metrics;
};

// The whole case as one optimizer step, in fp64.
CaseResult EvaluateCase(const ObjectiveCase& objective_case);

}  // namespace cohort::rl
