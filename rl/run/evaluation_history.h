#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "rl/evaluation/evaluation.h"
#include "rl/records/sample_table.h"
#include "rl/records/step_metrics.h"

namespace cohort::rl {

// The figures of an evaluation; the run adds where it stands.
StepMetrics MetricsOf(const Evaluation& evaluation);
// "held-out accuracy (math) 50.0% [31.2, 68.8] (24 answers, greedy, 3s); mean format 0.98, math
// 0.5"
std::string DescribeEvaluation(const Evaluation& evaluation, const proto::Eval& settings);

// The held-out accuracies of a run so far, and what the policy answered first and last. Part of the
// checkpoint, so that a resumed run ends with the same summary.
class EvaluationHistory {
 public:
  // `after`: "start", "round 1 (sft)", "step 50 of round 2 (grpo)", ...
  void Add(const std::string& after, int64_t step, const Evaluation& evaluation);

  // The step of the most accurate evaluation, the latest of equal ones; nothing before the first.
  std::optional<int64_t> best_step() const;
  // The reward that decided the last one.
  std::string reward() const;

  // "evaluations", "first_examples" and "last_examples" of a checkpoint's scalars.
  void AddTo(nlohmann::json* scalars) const;
  void LoadFrom(const nlohmann::json& scalars);

  // One line an evaluation: "  start                     12.5%".
  std::vector<std::string> AccuracyLines() const;
  std::vector<BeforeAfterRow> BeforeAfterRows() const;
  // A held-out question; "" when there is none.
  std::string ExamplePrompt() const;

 private:
  nlohmann::json evaluations_ = nlohmann::json::array();  // {"after", "step", "accuracy"}
  nlohmann::json first_examples_ = nlohmann::json::array();
  nlohmann::json last_examples_ = nlohmann::json::array();
};

}  // namespace cohort::rl
