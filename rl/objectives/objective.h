#pragma once

// What the policy is trained to do, as data: the knobs of rl/objectives/README.md. A plain value.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace cohort::rl {

enum class AdvantageKind { kGroupMeanStd, kGroupMean, kRloo };
enum class RatioKind { kToken, kSequence, kCispo };
enum class AggregationKind { kTokenMean, kSequenceMean, kSequenceSum, kConstantLength };
enum class KlKind { kNone, kK1, kK2, kK3 };
enum class IsCorrectionKind { kNone, kToken };

struct Objective {
  std::string preset;

  AdvantageKind advantage = AdvantageKind::kGroupMeanStd;
  int std_ddof = 1;
  double std_eps = 1e-6;

  RatioKind ratio = RatioKind::kToken;
  double clip_low = 0.2;
  double clip_high = 0.2;
  std::optional<double> dual_clip;  // c >= 1; off when empty
  double cispo_cap = 5.0;

  AggregationKind aggregation = AggregationKind::kTokenMean;
  int64_t max_length = 0;  // tokens; constant_length needs it, the learner knows it

  KlKind kl = KlKind::kNone;
  double kl_coef = 0.0;

  IsCorrectionKind is_correction = IsCorrectionKind::kNone;
  double is_cap = 2.0;

  bool NeedsRefLogprobs() const { return kl != KlKind::kNone && kl_coef != 0.0; }
  bool NeedsRolloutLogprobs() const { return is_correction != IsCorrectionKind::kNone; }
};

// grpo, dr_grpo, dapo, gspo, cispo, verl, trl. Errors: kUsage with the nearest name.
Objective FromPreset(const std::string& name);
const std::vector<std::string>& PresetNames();

// {"preset": NAME, knob: value, ...}. Errors: kUsage naming `where`.knob: an unknown preset or knob
// (with the nearest name), a value of the wrong type or out of range. Whether the knobs go together
// is CheckObjective's: the caller may still fill in max_length.
Objective ParseObjective(const nlohmann::json& json, const std::string& where = "objective");

// Knobs that contradict each other: constant_length without max_length, kl_coef without kl.
// Errors: kUsage. Every function that computes with an objective expects one that passes.
void CheckObjective(const Objective& objective);

// The resolved formula, several lines of text.
std::string Explain(const Objective& objective);

}  // namespace cohort::rl
