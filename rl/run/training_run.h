#pragma once

// One run of a recipe: rounds in order, evaluations between them, checkpoints, metrics.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "rl/checkpoint/checkpoint.h"
#include "rl/evaluation/evaluation.h"
#include "rl/journal/journal.h"
#include "rl/records/diagnostics.h"
#include "rl/records/metrics_log.h"
#include "rl/run/evaluation_history.h"
#include "rl/run/reward_watch.h"
#include "rl/run/round.h"
#include "rl/run/run_context.h"

namespace cohort::rl {

// The work that a run leaves to others: tests give it fakes.
struct RunParts {
  std::function<std::unique_ptr<Round>(int index)> make_round;
  std::function<Evaluation()> evaluate;  // the published policy; empty: nothing is held out
  ExportModel export_model;              // into a checkpoint
  std::function<bool()> interrupted;     // a stop was asked for
};

// Owned by one thread. Everything that makes up the run's history is in the checkpoint, so that a
// run killed at any instant goes on from its last checkpoint and writes the same files, bit for
// bit, on the CPU.
class TrainingRun {
 public:
  // The context outlives it; its progress is the run's.
  TrainingRun(RunContext& context, RunParts parts);

  // From the start, or from the newest checkpoint of the folder, to the end. The finished steps are
  // saved whatever ends it, but for a divergence: then the newest checkpoint is the last good one.
  // Errors: kInterrupted after a stop was asked for, kDiverged (DivergenceAlarm; weights that are
  // not finite), kEnvironment when no checkpoint can be read or the reward failed on every sample
  // of rollout.max_failed_steps steps in a row.
  void Run();

 private:
  using Clock = std::chrono::steady_clock;

  void Start();
  bool Resume();       // false: there is nothing to go on from
  void ReopenRound();  // where the last round is to have more steps than it had when it ended
  void RunRound(const proto::RoundSpec& spec);
  void BeginRound(const proto::RoundSpec& spec, Round& round);
  void EndRound();
  void Publish(const Round& round);
  void Record(const proto::RoundSpec& spec, StepRecord record);
  void Show(const proto::RoundSpec& spec, const StepRecord& record);
  void WriteJournal(JournalEntry entry);
  void WriteJournal(Evaluation evaluation, const std::string& after);
  void WatchDivergence(const StepMetrics& metrics);
  void EvaluatePolicy();
  void EvaluateIfDue();  // within a round
  void SaveIfDue();      // and stops, where a stop was asked for
  void StopIfAsked();
  void SaveState();
  void SaveUnsaved();  // the finished steps, when something else ends the run
  void Export(const std::filesystem::path& folder);
  std::string GoBackHint() const;

  RunContext& context_;
  RunProgress& progress_;
  Console& console_;
  const RunParts parts_;
  const int64_t total_steps_;
  const Clock::time_point session_start_ = Clock::now();
  int64_t session_steps_ = 0;
  double publish_s_ = 0;  // of the version that the next step samples from
  std::unique_ptr<MetricsLog> log_;
  std::unique_ptr<Journal> journal_;
  bool told_of_dropped_ = false;
  EvaluationHistory evaluations_;
  DivergenceAlarm divergence_;
  RewardWatch rewards_;
  bool suspicious_ = false;                       // the last step may be the first of a divergence
  RunProgress recorded_;                          // as it was when the last step was written down
  int64_t saved_step_ = -1, exported_step_ = -1;  // of the newest checkpoint; whose model is in it
};

}  // namespace cohort::rl
