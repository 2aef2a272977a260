#include "rl/objectives/explain.h"

#include <sstream>

#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

std::string AdvantageFormula(const proto::Objective& objective) {
  std::ostringstream out;
  switch (objective.advantage()) {
    case proto::Objective::ADVANTAGE_GROUP_MEAN_STD:
      out << "A = (r - mean) / (std + " << objective.std_eps() << "), std with ddof "
          << objective.std_ddof();
      break;
    case proto::Objective::ADVANTAGE_GROUP_MEAN:
      out << "A = r - mean";
      break;
    case proto::Objective::ADVANTAGE_RLOO:
      out << "A = (G r - sum) / (G - 1)";
      break;
  }
  out << ", over the G scored samples of a prompt; 0 where their rewards are equal";
  return out.str();
}

std::string RatioFormula(const proto::Objective& objective) {
  return objective.ratio() == proto::Objective::RATIO_SEQUENCE
             ? "rho = exp(mean over the sample's tokens of policy_logprobs - old_logprobs)"
             : "rho = exp(policy_logprobs - old_logprobs)";
}

std::string SurrogateFormula(const proto::Objective& objective) {
  std::ostringstream out;
  if (objective.ratio() == proto::Objective::RATIO_CISPO) {
    out << "l = -stop_gradient(min(rho, " << objective.cispo_cap() << ")) A policy_logprobs";
  } else {
    out << "l = max(-A rho, -A clip(rho, " << 1 - objective.clip_low() << ", "
        << 1 + objective.clip_high() << "))";
    if (objective.has_dual_clip()) {
      out << "; where A < 0: min(l, -A " << objective.dual_clip() << ")";
    }
  }
  if (objective.is_correction() == proto::Objective::IS_CORRECTION_TOKEN) {
    out << "; times stop_gradient(min(exp(old_logprobs - rollout_logprobs), " << objective.is_cap()
        << "))";
  }
  return out.str();
}

std::string KlFormula(const proto::Objective& objective) {
  std::ostringstream out;
  out << "l += " << objective.kl_coef() << " * ";
  switch (objective.kl()) {
    case proto::Objective::KL_NONE:
      return "none";
    case proto::Objective::KL_K1:
      out << "d";
      break;
    case proto::Objective::KL_K2:
      out << "d * d / 2";
      break;
    case proto::Objective::KL_K3:
      out << "(exp(-d) - 1 + d)";
      break;
  }
  out << ", d = policy_logprobs - ref_logprobs";
  return out.str();
}

std::string AggregationFormula(const proto::Objective& objective) {
  switch (objective.aggregation()) {
    case proto::Objective::AGGREGATION_TOKEN_MEAN:
      return "sum of l / tokens of the optimizer step";
    case proto::Objective::AGGREGATION_SEQUENCE_MEAN:
      return "mean over samples of the mean of l over a sample's tokens";
    case proto::Objective::AGGREGATION_SEQUENCE_SUM:
      return "mean over samples of the sum of l over a sample's tokens";
    case proto::Objective::AGGREGATION_CONSTANT_LENGTH:
      return "sum of l / (samples of the optimizer step * " +
             (objective.max_length() > 0 ? std::to_string(objective.max_length())
                                         : std::string("max_length")) +
             ")";
  }
  return "";
}

}  // namespace

std::string Explain(const proto::Objective& objective) {
  std::ostringstream out;
  out << "objective  " << WordOf(objective.preset()) << "\n"
      << "advantage  " << AdvantageFormula(objective) << "\n"
      << "ratio      " << RatioFormula(objective) << "\n"
      << "token      " << SurrogateFormula(objective) << "\n"
      << "KL         " << KlFormula(objective) << "\n"
      << "loss       " << AggregationFormula(objective) << "\n";
  return out.str();
}

}  // namespace cohort::rl
