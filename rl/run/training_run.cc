// The loop. training_run_state.cc has resume and checkpoints.

#include "rl/run/training_run.h"

#include <string>
#include <utility>

#include "base/error.h"
#include "base/seconds_since.h"
#include "rl/learner/learner.h"
#include "rl/objectives/objective.h"
#include "rl/recipe/enum_words.h"
#include "rl/run/initial_policy.h"
#include "rl/run/run_summary.h"

namespace cohort::rl {
namespace {

int64_t TotalSteps(const proto::Recipe& recipe) {
  int64_t total = 0;
  for (const proto::RoundSpec& spec : recipe.rounds()) total += spec.steps();
  return total;
}

DiagnosticSettings SettingsOf(const proto::Recipe& recipe, const proto::RoundSpec& spec,
                              const policy::ModelConfig& config) {
  DiagnosticSettings settings{spec.group_size(), recipe.rollout().max_new_tokens(),
                              recipe.rollout().temperature()};
  settings.float32_rollouts = recipe.rollout().dtype() == proto::Rollout::DTYPE_FLOAT32;
  settings.corrects_tokens =
      spec.kind() == proto::ROUND_KIND_GRPO &&
      ResolveObjective(recipe).is_correction() == proto::Objective::IS_CORRECTION_TOKEN;
  const int64_t longest =
      int64_t{recipe.data().max_prompt_tokens()} + recipe.rollout().max_new_tokens();
  if (config.rope.kind == policy::RopeKind::kLongRope &&
      longest > config.rope.original_max_positions) {
    settings.rope_boundary = config.rope.original_max_positions;
  }
  return settings;
}

}  // namespace

TrainingRun::TrainingRun(RunContext& context, RunParts parts)
    : context_(context),
      progress_(context.progress),
      console_(context.console),
      parts_(std::move(parts)),
      total_steps_(TotalSteps(context.recipe)),
      rewards_(console_, context.recipe.rollout().max_failed_steps()) {}

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
  rewards_.Summarize();
  PrintSummary(context_, evaluations_, base::SecondsSince(session_start_));
}

void TrainingRun::RunRound(const proto::RoundSpec& spec) {
  const std::unique_ptr<Round> round = parts_.make_round(progress_.round);
  context_.learner.SetRouting(RecipeRouting(context_.recipe, spec));
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
      record.metrics.publish_bytes = context_.rollouts.publisher().published_bytes();
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
  journal_ = std::make_unique<Journal>(context_.folder.path(), context_.recipe, nullptr);
  EvaluatePolicy();
  SaveState();
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
  if (const int64_t dropped = journal_->dropped_steps(); dropped > 0) {
    record.metrics.journal_dropped_steps = dropped;
  }
  StepMemory& memory = context_.learner.memory();
  if (memory.retries() > 0) record.metrics.memory_retries = memory.retries();
  for (const std::string& text : memory.TakeWarnings()) console_.Warn(text);
  log_->Append(record.metrics);
  for (nlohmann::json& row : record.samples.records) {
    row["step"] = progress_.step;
    log_->AppendSample(row);
  }
  WriteJournal(std::move(record.entry));
  Show(spec, record);
  WatchDivergence(record.metrics);
  recorded_ = progress_;
  rewards_.Observe(record);
}

void TrainingRun::WriteJournal(JournalEntry entry) {
  const proto::Output& output = context_.recipe.output();
  if (!told_of_dropped_ && journal_->dropped_steps() > 0) {
    told_of_dropped_ = true;
    console_.Warn("the journal has reached output.journal_mib (" +
                  std::to_string(output.journal_mib()) +
                  " MiB): from here on its oldest steps are dropped, which "
                  "journal_dropped_steps of metrics.jsonl counts");
  }
  entry.step = progress_.step;
  entry.round = progress_.round;
  entry.step_in_round = progress_.step_in_round;
  journal_->Append(std::move(entry));
}

void TrainingRun::WriteJournal(Evaluation evaluation, const std::string& after) {
  JournalEvaluation entry{
      progress_.step, after, evaluation.reward, context_.recipe.eval().temperature(), {}};
  const std::vector<SharedProblem>& problems = context_.problems.test();
  for (size_t i = 0; i < evaluation.outcomes.size(); ++i) {
    EpisodeGroup& group = entry.groups.emplace_back(EpisodeGroup{i, problems.at(i), {}});
    for (JudgedEpisode& outcome : evaluation.outcomes[i]) {
      group.episodes.push_back(std::move(outcome.episode));
    }
  }
  journal_->Append(std::move(entry));
}

void TrainingRun::WatchDivergence(const StepMetrics& metrics) {
  const DivergenceAlarm::State state = divergence_.Observe(metrics);
  suspicious_ = state != DivergenceAlarm::State::kQuiet;
  if (!suspicious_) return;
  console_.Warn("step " + std::to_string(progress_.step) + ": " + divergence_.reason());
  if (state == DivergenceAlarm::State::kSuspicious) return;
  throw Error(ErrorCode::kDiverged, "the run diverges: " + divergence_.reason(), GoBackHint());
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
  const DiagnosticSettings settings = SettingsOf(recipe, spec, context_.model.config);
  for (const std::string& advice : Diagnose(record.metrics, settings)) console_.Warn(advice);
}

void TrainingRun::EvaluatePolicy() {
  if (!parts_.evaluate) return;
  PublishPolicy(context_);
  Evaluation evaluation = parts_.evaluate();
  progress_.evaluation_due = false;
  const std::string after = DescribePosition(context_);
  StepMetrics metrics = MetricsOf(evaluation);
  metrics.step = progress_.step;
  metrics.round = progress_.round + (progress_.step_in_round > 0 ? 1 : 0);
  metrics.eval_after = after;
  log_->Append(metrics);

  const std::string when = after == "start" ? "before training" : "after " + after;
  if (evaluation.failed > 0) {  // a failure of the grader is not an accuracy of 0
    console_.Warn(when + ": the reward failed on " + std::to_string(evaluation.failed) +
                  " held-out answers; the first: " + evaluation.first_failure);
  }
  if (evaluation.problems == 0) {
    console_.Warn(when + ": no held-out answer could be graded; `cohort grade` shows why");
  } else {
    evaluations_.Add(after, progress_.step, evaluation);
    console_.Heading(when + ": " + DescribeEvaluation(evaluation, context_.recipe.eval()));
  }
  WriteJournal(std::move(evaluation), after);
}

void TrainingRun::SaveIfDue() {
  const bool due = progress_.step_in_round % context_.recipe.output().checkpoint_every() == 0;
  // A step that may be the start of a divergence does not replace good weights.
  if (parts_.interrupted() || (due && !suspicious_)) SaveState();
  StopIfAsked();
}

void TrainingRun::StopIfAsked() {
  if (!parts_.interrupted()) return;
  throw Error(ErrorCode::kInterrupted, "stopped after step " + std::to_string(progress_.step),
              "the same command goes on from there");
}

}  // namespace cohort::rl
