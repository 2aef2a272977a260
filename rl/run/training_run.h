#pragma once

// One run of a recipe: rounds in order, evaluations between them, checkpoints, metrics.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rl/checkpoint/run_folder.h"
#include "rl/learner/learner.h"
#include "rl/records/metrics.h"
#include "rl/run/fleet.h"
#include "rl/run/round_context.h"
#include "rl/run/sft_step.h"

namespace cohort::rl {

// Owned by one thread. Everything that makes up the run's history is in the checkpoint, so that a
// run killed at any instant goes on from its last checkpoint and writes the same files, bit for
// bit, on the CPU.
class TrainingRun {
 public:
  TrainingRun(const proto::Recipe& recipe, RunFolder& folder, const Programs& programs);

  // Errors: kInterrupted after a stop was asked for (the step is finished and saved), kDiverged
  // after several updates in a row had no finite gradient.
  void Run();

 private:
  struct Verified;  // demonstrations of a rejection_sft round

  void StartOrResume();
  void RunRound();
  void BeginRound(const proto::Round& round);
  StepOutcome Step(const proto::Round& round);
  void FinishStep(const proto::Round& round, StepOutcome outcome);
  void CollectVerified(const proto::Round& round);
  std::vector<Demonstration> NextVerified(const proto::Round& round);
  void EvaluatePolicy();
  void Checkpoint();
  void StopIfDiverged(const StepOutcome& outcome);
  std::string TryPrompt() const;
  void PrintSummary();

  const proto::Recipe& recipe_;
  RunFolder& folder_;
  Console console_;
  policy::Model model_;
  proto::Objective objective_;
  Learner learner_;
  ProblemSource problems_;
  RunProgress progress_;
  Fleet fleet_;
  std::unique_ptr<MetricsLog> metrics_;
  std::vector<Demonstration> verified_;                   // of the current rejection_sft round
  nlohmann::json evaluations_ = nlohmann::json::array();  // {"label","accuracy"} so far
  nlohmann::json first_examples_ = nlohmann::json::array();
  nlohmann::json last_examples_ = nlohmann::json::array();
  int skipped_in_a_row_ = 0;
  int64_t steps_this_session_ = 0;
  std::chrono::steady_clock::time_point session_start_;
};

}  // namespace cohort::rl
