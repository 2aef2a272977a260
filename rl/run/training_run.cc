#include "rl/run/training_run.h"

#include <cstdio>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/seconds_since.h"
#include "rl/learner/learner.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

int64_t TotalSteps(const proto::Recipe& recipe) {
  int64_t total = 0;
  for (const proto::RoundSpec& spec : recipe.rounds()) total += spec.steps();
  return total;
}

// Arguments for `cohort generate` that ask `prompt`, where the shell needs no quoting tricks.
std::string GenerateArguments(bool chat, const std::string& prompt) {
  const bool plain =
      !prompt.empty() && prompt.size() < 200 && prompt.find_first_of("'\n") == std::string::npos;
  return (chat ? " --chat --prompt '" : " --prompt '") + (plain ? prompt : "...") + "'";
}

}  // namespace

TrainingRun::TrainingRun(RunContext& context, RunParts parts)
    : context_(context),
      progress_(context.progress),
      console_(context.console),
      parts_(std::move(parts)),
      total_steps_(TotalSteps(context.recipe)) {}

void TrainingRun::Run() {
  if (!Resume()) Start();
  while (progress_.round < context_.recipe.rounds_size()) {
    RunRound(context_.recipe.rounds(progress_.round));
  }
  PrintSummary();
}

void TrainingRun::RunRound(const proto::RoundSpec& spec) {
  const std::unique_ptr<Round> round = parts_.make_round(progress_.round);
  if (progress_.step_in_round == 0) {
    BeginRound(spec, *round);
  } else {
    round->Resume();
  }
  Publish(*round);
  while (true) {
    const Clock::time_point start = Clock::now();
    StepRecord record = round->Update(round->Take());
    if (round->samples()) {
      record.metrics.publish_s = publish_s_;
      record.metrics.step_s = publish_s_ + base::SecondsSince(start);
    }
    Record(spec, std::move(record));
    if (progress_.step_in_round == spec.steps()) break;
    SaveIfDue();
    Publish(*round);
    round->Release();
  }
  ++progress_.round;
  progress_.step_in_round = 0;
  EvaluatePolicy();
  SaveState();
}

void TrainingRun::Publish(const Round& round) {
  if (round.samples()) publish_s_ = PublishPolicy(context_);
}

void TrainingRun::Start() {
  log_ = std::make_unique<MetricsLog>(context_.folder.path(), nullptr);
  EvaluatePolicy();
  SaveState();
}

bool TrainingRun::Resume() {
  if (!context_.folder.resuming()) return false;
  const CheckpointSearch found = FindNewestCheckpoint(context_.folder.path());
  for (const std::string& warning : found.warnings) console_.Warn(warning);
  if (!found.newest.has_value()) {
    if (!HoldsCheckpoints(context_.folder.path())) return false;
    throw Error(ErrorCode::kEnvironment,
                "no checkpoint of " + context_.folder.path().string() + " can be read",
                "--fresh starts anew and keeps the old folder");
  }
  const TrainingState& state = found.newest->state;
  progress_ = state.scalars.at("progress").get<RunProgress>();
  evaluations_.LoadFrom(state.scalars);
  context_.learner.LoadState(state.tensors);
  log_ = std::make_unique<MetricsLog>(context_.folder.path(), state.scalars.at("files"));
  console_.Note("resuming after step " + std::to_string(progress_.step) + " of " +
                std::to_string(total_steps_));
  return true;
}

void TrainingRun::BeginRound(const proto::RoundSpec& spec, Round& round) {
  console_.Heading("round " + std::to_string(progress_.round + 1) + "/" +
                   std::to_string(context_.recipe.rounds_size()) + ": " + WordOf(spec.kind()) +
                   ", " + std::to_string(spec.steps()) + " steps");
  progress_.updates_in_round = 0;
  context_.learner.ResetOptimizer();
  context_.learner.DropReference();
  round.Begin();
}

// Counts the step, writes it down, shows it, and stops a run that diverges.
void TrainingRun::Record(const proto::RoundSpec& spec, StepRecord record) {
  ++progress_.step;
  ++progress_.step_in_round;
  ++session_steps_;
  record.metrics.step = progress_.step;
  record.metrics.round = progress_.round + 1;
  record.metrics.phase = WordOf(spec.kind());
  record.metrics.elapsed_s = base::SecondsSince(session_start_);
  log_->Append(record.metrics);
  for (nlohmann::json& row : record.samples.records) {
    row["step"] = progress_.step;
    log_->AppendSample(row);
  }
  Show(spec, record);

  const DivergenceAlarm::State state = divergence_.Observe(record.metrics);
  if (state == DivergenceAlarm::State::kQuiet) return;
  console_.Warn("step " + std::to_string(progress_.step) +
                ": the gradient is not finite; the weights stay as they were");
  if (state != DivergenceAlarm::State::kDiverged) return;
  throw Error(ErrorCode::kDiverged,
              std::to_string(DivergenceAlarm::kLimit) + " steps in a row had no finite gradient",
              "the last checkpoint holds good weights; try a lower learning_rate or max_grad_norm");
}

void TrainingRun::Show(const proto::RoundSpec& spec, const StepRecord& record) {
  const proto::Recipe& recipe = context_.recipe;
  RunPosition position{total_steps_, recipe.rounds_size(), {}};
  position.eta_s = *record.metrics.elapsed_s / static_cast<double>(session_steps_) *
                   static_cast<double>(total_steps_ - progress_.step);
  console_.Show(record.metrics, position);
  const int64_t every = recipe.output().samples_every();
  if (every != 1 && progress_.step_in_round % every != 1) return;
  if (!record.samples.table.empty()) {
    console_.Note(SampleTable(record.samples.table, console_.width()));
  }
  const DiagnosticSettings settings{spec.group_size(), recipe.rollout().max_new_tokens(),
                                    recipe.rollout().temperature()};
  for (const std::string& advice : Diagnose(record.metrics, settings)) console_.Warn(advice);
}

void TrainingRun::EvaluatePolicy() {
  if (!parts_.evaluate) return;
  PublishPolicy(context_);
  const Evaluation evaluation = parts_.evaluate();
  const std::string after =
      progress_.round == 0 ? "start"
                           : "round " + std::to_string(progress_.round) + " (" +
                                 WordOf(context_.recipe.rounds(progress_.round - 1).kind()) + ")";
  StepMetrics metrics;
  metrics.step = progress_.step;
  metrics.round = progress_.round;
  metrics.phase = "eval";
  metrics.eval_after = after;
  if (evaluation.problems > 0) metrics.eval_accuracy = evaluation.accuracy;
  metrics.eval_problems = evaluation.problems;
  metrics.eval_failed = evaluation.failed;
  metrics.eval_completion_tokens = evaluation.completion_tokens;
  metrics.eval_truncated = evaluation.truncated;
  metrics.eval_s = evaluation.wall_s;
  log_->Append(metrics);

  const std::string when = progress_.round == 0 ? "before training" : "after " + after;
  if (evaluation.problems == 0) {  // a failure of the grader is not an accuracy of 0
    console_.Warn(when + ": no held-out answer could be graded; `cohort grade` shows why");
    return;
  }
  evaluations_.Add(after, evaluation);
  char text[160];
  std::snprintf(text, sizeof(text), "%s: held-out accuracy %.1f%% (%lld problems, greedy, %s)",
                when.c_str(), 100 * evaluation.accuracy,
                static_cast<long long>(evaluation.problems),
                FormatDuration(evaluation.wall_s).c_str());
  console_.Heading(text);
}

void TrainingRun::SaveIfDue() {
  const bool stop = parts_.interrupted();
  if (stop || progress_.step_in_round % context_.recipe.output().checkpoint_every() == 0) {
    SaveState();
  }
  if (!stop) return;
  throw Error(ErrorCode::kInterrupted, "stopped after step " + std::to_string(progress_.step),
              "the same command goes on from there");
}

void TrainingRun::SaveState() {
  TrainingState state;
  state.tensors = context_.learner.SaveState();
  state.scalars = {{"progress", progress_}, {"files", log_->Sync()}};
  evaluations_.AddTo(&state.scalars);
  SaveCheckpoint(context_.folder.path(), progress_.step, state, parts_.export_model);
  PruneCheckpoints(context_.folder.path(), context_.recipe.output().keep());
}

void TrainingRun::PrintSummary() {
  console_.Heading("held-out accuracy");
  for (const std::string& line : evaluations_.AccuracyLines()) console_.Note(line);
  const std::vector<BeforeAfterRow> rows = evaluations_.BeforeAfterRows();
  if (!rows.empty()) console_.Note(BeforeAfterTable(rows, console_.width()));
  const std::string folder = context_.folder.path().string();
  const std::string exported =
      (CheckpointFolder(context_.folder.path(), progress_.step) / "model").string();
  console_.Note("done in " + FormatDuration(base::SecondsSince(session_start_)) +
                ". The trained model: " + exported + "\nnext:\n  ./cohort generate --model " +
                exported + " --greedy" +
                GenerateArguments(context_.recipe.data().chat(), evaluations_.ExamplePrompt()) +
                "\n  tensorboard --logdir " + folder +
                "\n  edit the recipe, or set its keys on the command line: rounds[1].steps=200");
}

}  // namespace cohort::rl
