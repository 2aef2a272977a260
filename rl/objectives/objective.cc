#include "rl/objectives/objective.h"

#include "base/error.h"

namespace cohort::rl {
namespace {

// Values of the knobs that a preset does not change.
proto::Objective CommonKnobs() {
  proto::Objective objective;
  objective.set_advantage(proto::Objective::ADVANTAGE_GROUP_MEAN_STD);
  objective.set_std_ddof(1);
  objective.set_std_eps(1e-6);
  objective.set_ratio(proto::Objective::RATIO_TOKEN);
  objective.set_clip_low(0.2);
  objective.set_clip_high(0.2);
  objective.set_cispo_cap(5);
  objective.set_aggregation(proto::Objective::AGGREGATION_TOKEN_MEAN);
  objective.set_kl(proto::Objective::KL_NONE);
  objective.set_kl_coef(0);
  objective.set_is_correction(proto::Objective::IS_CORRECTION_NONE);
  objective.set_is_cap(2);
  return objective;
}

}  // namespace

proto::Objective FromPreset(proto::Objective::Preset preset) {
  proto::Objective objective = CommonKnobs();
  objective.set_preset(preset);
  switch (preset) {
    case proto::Objective::PRESET_GRPO:  // arXiv 2402.03300, eq. 3 and 4
      objective.set_aggregation(proto::Objective::AGGREGATION_SEQUENCE_MEAN);
      objective.set_kl(proto::Objective::KL_K3);
      objective.set_kl_coef(0.04);
      break;
    case proto::Objective::PRESET_DR_GRPO:  // arXiv 2503.20783, section 3.2
      objective.set_advantage(proto::Objective::ADVANTAGE_GROUP_MEAN);
      objective.set_aggregation(proto::Objective::AGGREGATION_CONSTANT_LENGTH);
      break;
    case proto::Objective::PRESET_DAPO:  // arXiv 2503.14476, eq. 8 to 12
      objective.set_clip_high(0.28);
      break;
    case proto::Objective::PRESET_GSPO:  // arXiv 2507.18071, eq. 5 to 7; clip range of section 5.1
      objective.set_ratio(proto::Objective::RATIO_SEQUENCE);
      objective.set_clip_low(3e-4);
      objective.set_clip_high(4e-4);
      objective.set_aggregation(proto::Objective::AGGREGATION_SEQUENCE_MEAN);
      break;
    case proto::Objective::PRESET_CISPO:  // arXiv 2506.13585, eq. 4 and 5
      objective.set_ratio(proto::Objective::RATIO_CISPO);
      objective.set_cispo_cap(5);  // of ScaleRL, arXiv 2510.13786
      break;
    case proto::Objective::PRESET_VERL:
      objective.set_dual_clip(3);
      break;
    case proto::Objective::PRESET_TRL:
      objective.set_std_eps(1e-4);
      break;
  }
  return objective;
}

proto::Objective ResolveObjective(const proto::Recipe& recipe) {
  proto::Objective resolved = FromPreset(recipe.objective().preset());
  resolved.MergeFrom(recipe.objective());
  // `kl: none` alone takes the preset's coefficient back.
  const bool no_kl = resolved.kl() == proto::Objective::KL_NONE;
  if (no_kl && !recipe.objective().has_kl_coef()) resolved.set_kl_coef(0);
  if (!resolved.has_max_length()) resolved.set_max_length(recipe.rollout().max_new_tokens());
  CheckObjective(resolved);
  return resolved;
}

void CheckObjective(const proto::Objective& resolved) {
  COHORT_CHECK(resolved.has_advantage() && resolved.has_aggregation() && resolved.has_kl_coef(),
               "the objective's knobs are unset: no preset has filled them in");
  if (resolved.aggregation() == proto::Objective::AGGREGATION_CONSTANT_LENGTH &&
      resolved.max_length() < 1) {
    throw Error(ErrorCode::kUsage, "aggregation constant_length needs max_length, at least 1 token",
                "set max_length to the longest completion that the rollout may produce");
  }
  if (resolved.kl() == proto::Objective::KL_NONE && resolved.kl_coef() != 0.0) {
    throw Error(ErrorCode::kUsage, "kl_coef is set while kl is none",
                "choose kl: k1, k2 or k3, or leave kl_coef out");
  }
}

bool NeedsRefLogprobs(const proto::Objective& resolved) {
  return resolved.kl() != proto::Objective::KL_NONE && resolved.kl_coef() != 0.0;
}

bool NeedsRolloutLogprobs(const proto::Objective& resolved) {
  return resolved.is_correction() != proto::Objective::IS_CORRECTION_NONE;
}

}  // namespace cohort::rl
