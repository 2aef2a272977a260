#include <sstream>

#include "rl/objectives/objective.h"

namespace cohort::rl {
namespace {

std::string AdvantageFormula(const Objective& objective) {
  std::ostringstream out;
  switch (objective.advantage) {
    case AdvantageKind::kGroupMeanStd:
      out << "A = (r - mean) / (std + " << objective.std_eps << "), std with ddof "
          << objective.std_ddof;
      break;
    case AdvantageKind::kGroupMean:
      out << "A = r - mean";
      break;
    case AdvantageKind::kRloo:
      out << "A = (G r - sum) / (G - 1)";
      break;
  }
  out << ", over the G scored samples of a prompt; 0 where their rewards are equal";
  return out.str();
}

std::string RatioFormula(const Objective& objective) {
  return objective.ratio == RatioKind::kSequence
             ? "rho = exp(mean over the sample's tokens of policy_logprobs - old_logprobs)"
             : "rho = exp(policy_logprobs - old_logprobs)";
}

std::string SurrogateFormula(const Objective& objective) {
  std::ostringstream out;
  if (objective.ratio == RatioKind::kCispo) {
    out << "l = -stop_gradient(min(rho, " << objective.cispo_cap << ")) A policy_logprobs";
  } else {
    out << "l = max(-A rho, -A clip(rho, " << 1 - objective.clip_low << ", "
        << 1 + objective.clip_high << "))";
    if (objective.dual_clip) {
      out << "; where A < 0: min(l, -A " << *objective.dual_clip << ")";
    }
  }
  if (objective.is_correction == IsCorrectionKind::kToken) {
    out << "; times stop_gradient(min(exp(old_logprobs - rollout_logprobs), " << objective.is_cap
        << "))";
  }
  return out.str();
}

std::string KlFormula(const Objective& objective) {
  std::ostringstream out;
  out << "l += " << objective.kl_coef << " * ";
  switch (objective.kl) {
    case KlKind::kNone:
      return "none";
    case KlKind::kK1:
      out << "d";
      break;
    case KlKind::kK2:
      out << "d * d / 2";
      break;
    case KlKind::kK3:
      out << "(exp(-d) - 1 + d)";
      break;
  }
  out << ", d = policy_logprobs - ref_logprobs";
  return out.str();
}

std::string AggregationFormula(const Objective& objective) {
  switch (objective.aggregation) {
    case AggregationKind::kTokenMean:
      return "sum of l / tokens of the optimizer step";
    case AggregationKind::kSequenceMean:
      return "mean over samples of the mean of l over a sample's tokens";
    case AggregationKind::kSequenceSum:
      return "mean over samples of the sum of l over a sample's tokens";
    case AggregationKind::kConstantLength:
      return "sum of l / (samples of the optimizer step * " +
             (objective.max_length > 0 ? std::to_string(objective.max_length)
                                       : std::string("max_length")) +
             ")";
  }
  return "";
}

}  // namespace

std::string Explain(const Objective& objective) {
  std::ostringstream out;
  out << "objective  " << objective.preset << "\n"
      << "advantage  " << AdvantageFormula(objective) << "\n"
      << "ratio      " << RatioFormula(objective) << "\n"
      << "token      " << SurrogateFormula(objective) << "\n"
      << "KL         " << KlFormula(objective) << "\n"
      << "loss       " << AggregationFormula(objective) << "\n";
  return out.str();
}

}  // namespace cohort::rl
