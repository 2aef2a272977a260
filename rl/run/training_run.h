#pragma once

// One run of a recipe: rounds in order, evaluations between them, checkpoints, metrics.

#include <chrono>
#include <functional>
#include <memory>

#include "rl/checkpoint/checkpoint.h"
#include "rl/evaluation/evaluation.h"
#include "rl/records/diagnostics.h"
#include "rl/records/metrics_log.h"
#include "rl/run/evaluation_history.h"
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

  // From the start, or from the newest checkpoint of the folder, to the end. Errors: kInterrupted
  // after a stop was asked for (the step is finished and saved), kDiverged after several updates in
  // a row had no finite gradient, kEnvironment when no checkpoint can be read.
  void Run();

 private:
  using Clock = std::chrono::steady_clock;

  void Start();
  bool Resume();  // false: there is nothing to go on from
  void RunRound(const proto::RoundSpec& spec);
  void BeginRound(const proto::RoundSpec& spec, Round& round);
  void Publish(const Round& round);
  void Record(const proto::RoundSpec& spec, StepRecord record);
  void Show(const proto::RoundSpec& spec, const StepRecord& record);
  void EvaluatePolicy();
  void SaveIfDue();  // and stops, where a stop was asked for
  void SaveState();
  void PrintSummary();

  RunContext& context_;
  RunProgress& progress_;
  Console& console_;
  const RunParts parts_;
  const int64_t total_steps_;
  const Clock::time_point session_start_ = Clock::now();
  int64_t session_steps_ = 0;
  double publish_s_ = 0;  // of the version that the next step samples from
  std::unique_ptr<MetricsLog> log_;
  EvaluationHistory evaluations_;
  DivergenceAlarm divergence_;
};

}  // namespace cohort::rl
