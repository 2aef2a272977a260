#include "rl/objectives/objective.h"

#include <functional>
#include <map>

#include "base/error.h"
#include "base/nearest_name.h"

namespace cohort::rl {
namespace {

Objective Grpo() {  // arXiv 2402.03300, eq. 3 and 4
  Objective objective;
  objective.aggregation = AggregationKind::kSequenceMean;
  objective.kl = KlKind::kK3;
  objective.kl_coef = 0.04;
  return objective;
}

Objective DrGrpo() {  // arXiv 2503.20783, section 3.2
  Objective objective;
  objective.advantage = AdvantageKind::kGroupMean;
  objective.aggregation = AggregationKind::kConstantLength;
  return objective;
}

Objective Dapo() {  // arXiv 2503.14476, eq. 8 to 12
  Objective objective;
  objective.clip_high = 0.28;
  return objective;
}

Objective Gspo() {  // arXiv 2507.18071, eq. 5 to 7; clip range of section 5.1
  Objective objective;
  objective.ratio = RatioKind::kSequence;
  objective.clip_low = 3e-4;
  objective.clip_high = 4e-4;
  objective.aggregation = AggregationKind::kSequenceMean;
  return objective;
}

Objective Cispo() {  // arXiv 2506.13585, eq. 4 and 5; the cap of ScaleRL, arXiv 2510.13786
  Objective objective;
  objective.ratio = RatioKind::kCispo;
  return objective;
}

Objective Verl() {
  Objective objective;
  objective.dual_clip = 3.0;
  return objective;
}

Objective Trl() {
  Objective objective;
  objective.std_eps = 1e-4;
  return objective;
}

const std::map<std::string, std::function<Objective()>>& Presets() {
  static const std::map<std::string, std::function<Objective()>> presets = {
      {"grpo", Grpo},   {"dr_grpo", DrGrpo}, {"dapo", Dapo}, {"gspo", Gspo},
      {"cispo", Cispo}, {"verl", Verl},      {"trl", Trl}};
  return presets;
}

}  // namespace

const std::vector<std::string>& PresetNames() {
  static const std::vector<std::string> names = {"grpo",  "dr_grpo", "dapo", "gspo",
                                                 "cispo", "verl",    "trl"};
  return names;
}

Objective FromPreset(const std::string& name) {
  const auto found = Presets().find(name);
  if (found == Presets().end()) {
    std::string all;
    for (const std::string& preset : PresetNames()) all += (all.empty() ? "" : ", ") + preset;
    throw Error(ErrorCode::kUsage,
                "unknown objective preset '" + name + "'" + base::DidYouMean(name, PresetNames()),
                "presets: " + all);
  }
  Objective objective = found->second();
  objective.preset = name;
  return objective;
}

void CheckObjective(const Objective& objective) {
  if (objective.aggregation == AggregationKind::kConstantLength && objective.max_length < 1) {
    throw Error(ErrorCode::kUsage, "aggregation constant_length needs max_length, at least 1 token",
                "set max_length to the longest completion that the rollout may produce");
  }
  if (objective.kl == KlKind::kNone && objective.kl_coef != 0.0) {
    throw Error(ErrorCode::kUsage, "kl_coef is set while kl is none",
                "choose kl: k1, k2 or k3, or leave kl_coef out");
  }
}

}  // namespace cohort::rl
