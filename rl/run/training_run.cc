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

RoutingOptions RoutingOf(const proto::Recipe& recipe, const proto::RoundSpec& spec) {
  RoutingOptions routing;
  routing.freeze_router = spec.freeze_router();
  if (spec.has_selection_bias_rate()) {
    routing.selection_bias_rate = spec.selection_bias_rate();
  } else {
    const bool grpo = spec.kind() == proto::ROUND_KIND_GRPO;
    routing.selection_bias_rate = grpo ? 0 : recipe.optimizer().selection_bias_rate();
  }
  return routing;
}

// "held-out accuracy (exact_answer) 50.0% [31.2, 68.8] (24 answers, greedy, 3s); format 0.98"
std::string DescribeEvaluation(const Evaluation& evaluation, const proto::Eval& settings) {
  char text[256];
  std::string how = "greedy";
  if (settings.temperature() > 0) {
    std::snprintf(text, sizeof(text), "%d a problem at temperature %g", settings.samples(),
                  settings.temperature());
    how = text;
  }
  std::snprintf(text, sizeof(text), " %.1f%% [%.1f, %.1f] (%lld answers, %s, %s)",
                100 * evaluation.accuracy, 100 * evaluation.interval.low,
                100 * evaluation.interval.high, static_cast<long long>(evaluation.problems),
                how.c_str(), FormatDuration(evaluation.wall_s).c_str());
  const std::string reward = evaluation.reward.empty() ? "" : " (" + evaluation.reward + ")";
  std::string line = "held-out accuracy" + reward + text;
  if (evaluation.components.size() < 2) return line;
  const char* separator = "; mean ";
  for (const auto& [name, figures] : evaluation.components) {
    std::snprintf(text, sizeof(text), "%.3g", figures.mean);
    line += separator + name + " " + text;
    separator = ", ";
  }
  return line;
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
  try {
    while (progress_.round < context_.recipe.rounds_size()) {
      RunRound(context_.recipe.rounds(progress_.round));
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDiverged) SaveUnsaved();
    throw;
  }
  PrintSummary();
}

void TrainingRun::RunRound(const proto::RoundSpec& spec) {
  const std::unique_ptr<Round> round = parts_.make_round(progress_.round);
  context_.learner.SetRouting(RoutingOf(context_.recipe, spec));
  divergence_.BeginRound();
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
    const int64_t every = context_.recipe.eval().every();
    progress_.evaluation_due = parts_.evaluate && every > 0 && progress_.step_in_round % every == 0;
    recorded_ = progress_;
    SaveIfDue();
    Publish(*round);
    EvaluateIfDue();
    round->Release();
  }
  EndRound();
}

// The checkpoint comes first: whatever happens in the evaluation, no step is lost.
void TrainingRun::EndRound() {
  ++progress_.round;
  progress_.step_in_round = 0;
  progress_.evaluation_due = static_cast<bool>(parts_.evaluate);
  recorded_ = progress_;
  SaveState();
  StopIfAsked();
  if (!progress_.evaluation_due) return;
  EvaluatePolicy();
  SaveState();
}

void TrainingRun::EvaluateIfDue() {
  if (!progress_.evaluation_due) return;
  EvaluatePolicy();
  const bool best = evaluations_.best_step() == progress_.step;
  if (context_.recipe.output().keep_best() && best) SaveState();
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
  progress_ = recorded_ = state.scalars.at("progress").get<RunProgress>();
  saved_step_ = exported_step_ = progress_.step;
  evaluations_.LoadFrom(state.scalars);
  context_.learner.LoadState(state.tensors);
  log_ = std::make_unique<MetricsLog>(context_.folder.path(), state.scalars.at("files"));
  console_.Note("resuming after step " + std::to_string(progress_.step) + " of " +
                std::to_string(total_steps_));
  if (progress_.evaluation_due) {
    EvaluatePolicy();
    SaveState();
  }
  ReopenRound();
  return true;
}

// A round that ended is gone on with, with the optimizer and the reference that it ended with.
void TrainingRun::ReopenRound() {
  if (progress_.round == 0 || progress_.step_in_round != 0) return;
  int64_t steps = progress_.step;  // of the round that ended last
  for (int i = 0; i + 1 < progress_.round; ++i) steps -= context_.recipe.rounds(i).steps();
  if (steps >= context_.recipe.rounds(progress_.round - 1).steps()) return;
  --progress_.round;
  progress_.step_in_round = steps;
  console_.Note("round " + std::to_string(progress_.round + 1) + " has " +
                std::to_string(context_.recipe.rounds(progress_.round).steps() - steps) +
                " more steps than it had");
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
  WatchDivergence(record.metrics);
  WatchRewards(record);
}

void TrainingRun::WatchDivergence(const StepMetrics& metrics) {
  const DivergenceAlarm::State state = divergence_.Observe(metrics);
  suspicious_ = state != DivergenceAlarm::State::kQuiet;
  if (!suspicious_) return;
  const std::string what = "step " + std::to_string(progress_.step) + ": " + divergence_.reason();
  if (state == DivergenceAlarm::State::kSuspicious) {
    console_.Warn(what);
    return;
  }
  throw Error(ErrorCode::kDiverged, "the run diverges: " + divergence_.reason(), GoBackHint());
}

// Tells each reason once and at once, and stops a run whose rewards judge nothing.
void TrainingRun::WatchRewards(const StepRecord& record) {
  const int64_t failed = record.metrics.failed_rewards.value_or(0);
  const int64_t samples = record.metrics.samples.value_or(0);
  failed_rewards_ += failed;
  judged_samples_ += samples;
  constexpr size_t kToldAtMost = 20;
  const std::string& reason = record.samples.first_failure;
  if (!reason.empty() && told_failures_.size() < kToldAtMost &&
      told_failures_.insert(reason).second) {
    console_.Warn("step " + std::to_string(progress_.step) + ": the reward failed on " +
                  std::to_string(failed) + " of " + std::to_string(samples) +
                  " samples, which are left out; the first: " + reason);
  }
  failed_steps_ = samples > 0 && failed == samples ? failed_steps_ + 1 : 0;
  const int limit = context_.recipe.rollout().max_failed_steps();
  if (failed_steps_ < limit) return;
  recorded_ = progress_;
  throw Error(
      ErrorCode::kEnvironment,
      "the reward failed on every sample of " + std::to_string(limit) +
          " steps in a row; the last: " + reason,
      "mend the reward; the same command with --resume-with-changes goes on. `cohort reward try` "
      "shows what it says to one sample");
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

// "start", "round 1 (sft)", "step 50 of round 2 (grpo)".
std::string TrainingRun::Position() const {
  const auto round = [&](int index) {
    return "round " + std::to_string(index + 1) + " (" +
           WordOf(context_.recipe.rounds(index).kind()) + ")";
  };
  if (progress_.step_in_round > 0) {
    return "step " + std::to_string(progress_.step_in_round) + " of " + round(progress_.round);
  }
  return progress_.round == 0 ? "start" : round(progress_.round - 1);
}

void TrainingRun::EvaluatePolicy() {
  if (!parts_.evaluate) return;
  PublishPolicy(context_);
  const Evaluation evaluation = parts_.evaluate();
  progress_.evaluation_due = false;
  const std::string after = Position();
  StepMetrics metrics;
  metrics.step = progress_.step;
  metrics.round = progress_.round + (progress_.step_in_round > 0 ? 1 : 0);
  metrics.phase = "eval";
  metrics.eval_after = after;
  metrics.eval_reward = evaluation.reward;
  if (evaluation.problems > 0) {
    metrics.eval_accuracy = evaluation.accuracy;
    metrics.eval_accuracy_low = evaluation.interval.low;
    metrics.eval_accuracy_high = evaluation.interval.high;
  }
  for (const auto& [name, figures] : evaluation.components) {
    metrics.eval_rewards[name] = {figures.mean, figures.std, figures.count};
  }
  metrics.eval_problems = evaluation.problems;
  metrics.eval_failed = evaluation.failed;
  metrics.eval_completion_tokens = evaluation.completion_tokens;
  metrics.eval_truncated = evaluation.truncated;
  metrics.eval_s = evaluation.wall_s;
  log_->Append(metrics);

  const std::string when = after == "start" ? "before training" : "after " + after;
  if (evaluation.failed > 0) {  // a failure of the grader is not an accuracy of 0
    console_.Warn(when + ": the reward failed on " + std::to_string(evaluation.failed) +
                  " held-out answers; the first: " + evaluation.first_failure);
  }
  if (evaluation.problems == 0) {
    console_.Warn(when + ": no held-out answer could be graded; `cohort grade` shows why");
    return;
  }
  evaluations_.Add(after, progress_.step, evaluation);
  console_.Heading(when + ": " + DescribeEvaluation(evaluation, context_.recipe.eval()));
}

void TrainingRun::SaveIfDue() {
  const bool due = progress_.step_in_round % context_.recipe.output().checkpoint_every() == 0;
  // What may be the start of a divergence does not take the place of good weights.
  if (parts_.interrupted() || (due && !suspicious_)) SaveState();
  StopIfAsked();
}

void TrainingRun::StopIfAsked() {
  if (!parts_.interrupted()) return;
  throw Error(ErrorCode::kInterrupted, "stopped after step " + std::to_string(progress_.step),
              "the same command goes on from there");
}

void TrainingRun::SaveState() {
  const std::string bad = context_.learner.NonFiniteWeight();
  if (!bad.empty()) {
    throw Error(ErrorCode::kDiverged,
                "after step " + std::to_string(progress_.step) + " " + bad + " is not finite",
                GoBackHint());
  }
  TrainingState state;
  state.tensors = context_.learner.SaveState();
  state.scalars = {{"progress", progress_}, {"files", log_->Sync()}};
  evaluations_.AddTo(&state.scalars);
  SaveCheckpoint(context_.folder.path(), progress_.step, state,
                 [&](const std::filesystem::path& folder) { Export(folder); });
  saved_step_ = exported_step_ = progress_.step;
  const proto::Output& output = context_.recipe.output();
  PruneCheckpoints(context_.folder.path(), output.keep(),
                   output.keep_best() ? evaluations_.best_step() : std::nullopt);
}

// A second checkpoint of a step, after the evaluation, has the same model: its files are linked.
void TrainingRun::Export(const std::filesystem::path& folder) {
  if (!parts_.export_model) return;
  const auto exported = CheckpointFolder(context_.folder.path(), progress_.step) / "model";
  if (exported_step_ != progress_.step || !std::filesystem::exists(exported)) {
    parts_.export_model(folder);
    return;
  }
  using std::filesystem::copy_options;
  std::filesystem::copy(exported, folder,
                        copy_options::recursive | copy_options::create_hard_links);
}

void TrainingRun::SaveUnsaved() {
  if (recorded_.step <= saved_step_) return;
  progress_ = recorded_;  // without what a step that did not end has taken of the data
  try {
    SaveState();
    console_.Note("saved after step " + std::to_string(progress_.step));
  } catch (const Error& error) {  // the error that ended the run matters more
    console_.Warn(error.what());
  }
}

std::string TrainingRun::GoBackHint() const {
  return "the checkpoint of step " + std::to_string(saved_step_) +
         " holds the last good weights; go on from it with a lower rounds[" +
         std::to_string(progress_.round) + "].learning_rate and --resume-with-changes";
}

void TrainingRun::PrintSummary() {
  const std::string reward = evaluations_.reward();
  console_.Heading("held-out accuracy" + (reward.empty() ? "" : " (" + reward + ")"));
  for (const std::string& line : evaluations_.AccuracyLines()) console_.Note(line);
  const std::vector<BeforeAfterRow> rows = evaluations_.BeforeAfterRows();
  if (!rows.empty()) console_.Note(BeforeAfterTable(rows, console_.width()));
  if (failed_rewards_ > 0) {
    console_.Warn("the reward failed on " + std::to_string(failed_rewards_) + " of " +
                  std::to_string(judged_samples_) +
                  " samples, which were left out; the first: " + *told_failures_.begin());
  }
  const std::filesystem::path& folder = context_.folder.path();
  const auto exported = [&](int64_t step) {
    return (CheckpointFolder(folder, step) / "model").string();
  };
  const auto best = evaluations_.best_step();
  if (context_.recipe.output().keep_best() && best && *best != progress_.step) {
    console_.Note("the best evaluation is that of step " + std::to_string(*best) + ": " +
                  exported(*best));
  }
  const int last = context_.recipe.rounds_size() - 1;
  console_.Note("done in " + FormatDuration(base::SecondsSince(session_start_)) +
                ". The trained model: " + exported(progress_.step) +
                "\nnext:\n  ./cohort generate --model " + exported(progress_.step) + " --greedy" +
                GenerateArguments(context_.recipe.data().chat(), evaluations_.ExamplePrompt()) +
                "\n  tensorboard --logdir " + folder.string() +
                "\n  the same command with rounds[" + std::to_string(last) + "].steps=" +
                std::to_string(2 * context_.recipe.rounds(last).steps()) + " trains on");
}

}  // namespace cohort::rl
