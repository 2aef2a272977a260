#include "rl/run/training_run.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <utility>

#include "base/durable_file.h"
#include "base/error.h"
#include "policy/prompt_encoding.h"
#include "policy/tensor/tensor_memory.h"
#include "rl/checkpoint/checkpoint.h"
#include "rl/fleet/interrupt.h"
#include "rl/objectives/objective.h"
#include "rl/recipe/enum_words.h"
#include "rl/recipe/recipe.h"
#include "rl/run/grpo_step.h"
#include "rl/run/initial_policy.h"
#include "rl/run/rejection_sampling.h"

namespace cohort::rl {
namespace {

ProblemSource::Keep ShortEnough(const policy::Model& model, const proto::Recipe& recipe) {
  const int64_t room = std::max<int64_t>(1, model.config.max_positions - 1);
  const int64_t limit = std::min<int64_t>(recipe.data().max_prompt_tokens(), room);
  return [&model, limit](const Problem& problem) {
    const PromptTask task = MakePromptTask(model, problem, 0, 0, 1);
    return !task.prompt_ids.empty() && static_cast<int64_t>(task.prompt_ids.size()) <= limit;
  };
}

// Rows without a demonstration are refused before training starts, not when an sft round meets one.
RowKind TrainingRows(const proto::Recipe& recipe) {
  for (const proto::Round& round : recipe.rounds()) {
    if (round.kind() == proto::ROUND_KIND_SFT) return RowKind::kDemonstration;
  }
  return RowKind::kTraining;
}

int BytesPerParameter(const proto::Recipe& recipe) {
  return recipe.lora().rank() > 0 ? kAdapterTrainingBytesPerParameter : kTrainingBytesPerParameter;
}

// Finished ones, readable or not; a run killed in its first save has none.
bool HoldsCheckpoints(const std::filesystem::path& run_folder) {
  for (const auto& entry : std::filesystem::directory_iterator(run_folder / "checkpoints")) {
    if (entry.path().extension() != ".tmp") return true;
  }
  return false;
}

int64_t TotalSteps(const proto::Recipe& recipe) {
  int64_t total = 0;
  for (const proto::Round& round : recipe.rounds()) total += round.steps();
  return total;
}

policy::LoraConfig RecipeLora(const proto::Lora& lora) {
  return {lora.rank(), lora.alpha(), {lora.targets().begin(), lora.targets().end()}};
}

void PrepareLibTorch(const proto::Recipe& recipe) {
  // A quarter of the machine's memory: about what the activations of one micro-batch take.
  const auto pages = static_cast<size_t>(sysconf(_SC_PHYS_PAGES));
  policy::KeepTensorMemory(pages / 4 * static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  if (recipe.threads() > 0) at::set_num_threads(recipe.threads());
}

}  // namespace

TrainingRun::TrainingRun(const proto::Recipe& recipe, RunFolder& folder, const Programs& programs)
    : recipe_(recipe),
      folder_(folder),
      model_((PrepareLibTorch(recipe), InitialPolicy(recipe, BytesPerParameter(recipe)))),
      objective_(ResolveObjective(recipe)),
      learner_(model_.config, std::exchange(model_.weights, {}), RecipeLearnerOptions(recipe)),
      problems_(recipe.data(), recipe.seed(), recipe.eval().problems(), ShortEnough(model_, recipe),
                TrainingRows(recipe)),
      fleet_(recipe, model_, folder.path(), programs),
      session_start_(std::chrono::steady_clock::now()) {
  if (recipe.lora().rank() > 0) learner_.TrainAdapters(RecipeLora(recipe.lora()), recipe.seed());
}

void TrainingRun::Run() {
  StartOrResume();
  while (progress_.round < recipe_.rounds_size()) RunRound();
  PrintSummary();
}

void TrainingRun::StartOrResume() {
  std::vector<std::string> warnings;
  std::optional<LoadedCheckpoint> loaded;
  if (folder_.resuming()) loaded = LoadNewestCheckpoint(folder_.path(), &warnings);
  for (const std::string& warning : warnings) console_.Warn(warning);
  if (folder_.resuming() && !loaded.has_value() && HoldsCheckpoints(folder_.path())) {
    throw Error(ErrorCode::kEnvironment,
                "no checkpoint of " + folder_.path().string() + " can be read",
                "--fresh starts anew and keeps the old folder");
  }
  if (problems_.left_out() > 0) {
    console_.Note(std::to_string(problems_.left_out()) +
                  " problems left out: their prompts are longer than data.max_prompt_tokens");
  }
  if (!loaded.has_value()) {
    metrics_ = std::make_unique<MetricsLog>(folder_.path(), nullptr);
    EvaluatePolicy();
    Checkpoint();
    return;
  }
  const nlohmann::json& scalars = loaded->state.scalars;
  progress_ = scalars.at("progress").get<RunProgress>();
  evaluations_ = scalars.at("evaluations");
  first_examples_ = scalars.at("first_examples");
  last_examples_ = scalars.at("last_examples");
  learner_.LoadState(loaded->state.tensors);
  metrics_ = std::make_unique<MetricsLog>(folder_.path(), scalars.at("files"));
  if (progress_.step_in_round > 0 &&
      recipe_.rounds(progress_.round).kind() == proto::ROUND_KIND_REJECTION_SFT) {
    verified_ = ReadVerifiedAnswers(folder_.path(), progress_.round);
  }
  console_.Note("resuming after step " + std::to_string(progress_.step) + " of " +
                std::to_string(TotalSteps(recipe_)));
}

void TrainingRun::RunRound() {
  const proto::Round& round = recipe_.rounds(progress_.round);
  if (progress_.step_in_round == 0) BeginRound(round);
  while (progress_.step_in_round < round.steps()) {
    FinishStep(round, Step(round));
    const bool round_ends = progress_.step_in_round == round.steps();
    if (!round_ends && (InterruptRequested() ||
                        progress_.step_in_round % recipe_.output().checkpoint_every() == 0)) {
      Checkpoint();
    }
    if (!round_ends && InterruptRequested()) {
      throw Error(ErrorCode::kInterrupted, "stopped after step " + std::to_string(progress_.step),
                  "the same command goes on from there");
    }
  }
  ++progress_.round;
  progress_.step_in_round = 0;
  EvaluatePolicy();
  Checkpoint();
}

void TrainingRun::BeginRound(const proto::Round& round) {
  console_.Heading("round " + std::to_string(progress_.round + 1) + "/" +
                   std::to_string(recipe_.rounds_size()) + ": " + WordOf(round.kind()) + ", " +
                   std::to_string(round.steps()) + " steps");
  progress_.updates_in_round = 0;
  learner_.ResetOptimizer();
  if (round.kind() == proto::ROUND_KIND_GRPO && NeedsRefLogprobs(objective_)) {
    learner_.ResetReference();
  } else {
    learner_.DropReference();
  }
  if (round.kind() == proto::ROUND_KIND_REJECTION_SFT) CollectVerified(round);
}

StepOutcome TrainingRun::Step(const proto::Round& round) {
  RoundContext context{recipe_, model_, learner_, fleet_, problems_, progress_};
  if (round.kind() == proto::ROUND_KIND_GRPO) return GrpoStep(context, objective_, round);
  const std::vector<Demonstration> demonstrations =
      round.kind() == proto::ROUND_KIND_SFT
          ? NextDemonstrations(context, round.sequences_per_step())
          : NextVerified(round);
  return SftStep(context, round, demonstrations);
}

void TrainingRun::FinishStep(const proto::Round& round, StepOutcome outcome) {
  ++progress_.step;
  ++progress_.step_in_round;
  ++steps_this_session_;
  nlohmann::json row = {
      {"step", progress_.step}, {"round", progress_.round + 1}, {"phase", WordOf(round.kind())}};
  row.update(outcome.metrics);
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - session_start_).count();
  row["elapsed_s"] = elapsed;
  metrics_->Append(row);
  for (nlohmann::json& record : outcome.sample_records) {
    record["step"] = progress_.step;
    metrics_->AppendSample(record);
  }

  outcome.shown.step = progress_.step;
  outcome.shown.total_steps = TotalSteps(recipe_);
  outcome.shown.phase = WordOf(round.kind());
  outcome.shown.round = progress_.round + 1;
  outcome.shown.rounds = recipe_.rounds_size();
  outcome.shown.eta_s = elapsed / static_cast<double>(steps_this_session_) *
                        static_cast<double>(outcome.shown.total_steps - progress_.step);
  console_.Show(outcome.shown);
  const bool table_due = progress_.step_in_round % recipe_.output().samples_every() == 1 ||
                         recipe_.output().samples_every() == 1;
  if (table_due && !outcome.table.empty()) {
    console_.Note(SampleTable(outcome.table, console_.width()));
  }
  outcome.symptoms.step = progress_.step;
  if (table_due) {
    for (const std::string& advice : ExplainSymptoms(outcome.symptoms)) console_.Warn(advice);
  }
  StopIfDiverged(outcome);
}

void TrainingRun::StopIfDiverged(const StepOutcome& outcome) {
  constexpr int kLimit = 5;
  if (outcome.metrics.value("skipped_updates", 0) == 0) {
    skipped_in_a_row_ = 0;
    return;
  }
  console_.Warn("step " + std::to_string(progress_.step) +
                ": the gradient is not finite; the weights stay as they were");
  if (++skipped_in_a_row_ < kLimit) return;
  throw Error(ErrorCode::kDiverged,
              std::to_string(kLimit) + " steps in a row had no finite gradient",
              "the last checkpoint holds good weights; try a lower learning_rate or max_grad_norm");
}

void TrainingRun::CollectVerified(const proto::Round& round) {
  RoundContext context{recipe_, model_, learner_, fleet_, problems_, progress_};
  const VerifiedAnswers answers = CollectVerifiedAnswers(context, round);
  WriteVerifiedAnswers(folder_.path(), progress_.round, answers.kept);
  console_.Note(std::to_string(answers.kept.size()) + " of " + std::to_string(answers.sampled) +
                " sampled answers are verified and become demonstrations");
  if (answers.kept.empty()) {
    throw Error(ErrorCode::kUsage, "no sampled answer reached min_reward",
                "lower rounds[" + std::to_string(progress_.round) +
                    "].min_reward or train longer before this round");
  }
  verified_ = answers.kept;
}

std::vector<Demonstration> TrainingRun::NextVerified(const proto::Round& round) {
  ProblemStream order(verified_.size(), recipe_.seed() + static_cast<uint64_t>(progress_.round));
  std::vector<Demonstration> batch;
  const auto count = static_cast<uint64_t>(round.sequences_per_step());
  const uint64_t first = static_cast<uint64_t>(progress_.step_in_round) * count;
  for (uint64_t i = 0; i < count; ++i) batch.push_back(verified_[order.At(first + i)]);
  return batch;
}

void TrainingRun::EvaluatePolicy() {
  if (problems_.test().empty()) return;
  fleet_.Publish(learner_.DecoderWeights(), progress_.policy_version);
  const Evaluation evaluation = fleet_.Evaluate(problems_.test());
  const std::string after = progress_.round == 0
                                ? "start"
                                : "round " + std::to_string(progress_.round) + " (" +
                                      WordOf(recipe_.rounds(progress_.round - 1).kind()) + ")";
  metrics_->Append({{"step", progress_.step},
                    {"round", progress_.round},
                    {"phase", "eval"},
                    {"eval_after", after},
                    {"eval_accuracy", evaluation.problems > 0 ? nlohmann::json(evaluation.accuracy)
                                                              : nlohmann::json()},
                    {"eval_problems", evaluation.problems},
                    {"eval_failed", evaluation.failed},
                    {"eval_completion_tokens", evaluation.completion_tokens},
                    {"eval_truncated", evaluation.truncated},
                    {"eval_s", evaluation.wall_s}});
  const std::string when = after == "start" ? "before training" : "after " + after;
  if (evaluation.problems == 0) {  // a failure of the grader is not an accuracy of 0
    console_.Warn(when + ": no held-out answer could be graded; `cohort grade` shows why");
    return;
  }
  evaluations_.push_back({{"after", after}, {"accuracy", evaluation.accuracy}});
  nlohmann::json examples = nlohmann::json::array();
  for (const EvaluatedProblem& example : evaluation.examples) {
    examples.push_back({{"prompt", example.prompt},
                        {"answer", example.answer},
                        {"completion", example.completion},
                        {"correct", example.correct}});
  }
  if (first_examples_.empty()) first_examples_ = examples;
  last_examples_ = examples;
  char text[160];
  std::snprintf(text, sizeof(text), "%s: held-out accuracy %.1f%% (%lld problems, greedy, %s)",
                when.c_str(), 100 * evaluation.accuracy,
                static_cast<long long>(evaluation.problems),
                FormatDuration(evaluation.wall_s).c_str());
  console_.Heading(text);
}

void TrainingRun::Checkpoint() {
  TrainingState state;
  state.tensors = learner_.SaveState();
  state.scalars = {{"progress", progress_},
                   {"evaluations", evaluations_},
                   {"first_examples", first_examples_},
                   {"last_examples", last_examples_},
                   {"files", metrics_->Sync()}};
  SaveCheckpoint(folder_.path(), progress_.step, state, [&](const std::filesystem::path& folder) {
    policy::Model exported = model_;
    const bool keep_mtp = recipe_.mtp().export_() == proto::Mtp::EXPORT_KEEP;
    exported.weights = keep_mtp ? learner_.Weights() : learner_.DecoderWeights();
    if (!keep_mtp) exported.config = policy::WithoutMtpLayers(exported.config);
    policy::SaveModel(exported, folder);
    if (const auto adapter = learner_.Adapter()) {
      policy::WriteLoraAdapter(*adapter, exported.config, recipe_.model().path(),
                               folder / "adapter");
    }
  });
  PruneCheckpoints(folder_.path(), recipe_.output().keep());
}

// Arguments for `cohort generate` that ask a held-out question, where the shell needs no quoting
// tricks.
std::string TrainingRun::TryPrompt() const {
  const std::string chat = recipe_.data().chat() ? " --chat" : "";
  if (last_examples_.empty()) return chat + " --prompt '...'";
  const std::string prompt = last_examples_.front().at("prompt");
  const bool plain = prompt.size() < 200 && prompt.find_first_of("'\n") == std::string::npos;
  return chat + " --prompt '" + (plain ? prompt : "...") + "'";
}

void TrainingRun::PrintSummary() {
  console_.Heading("held-out accuracy");
  for (const nlohmann::json& evaluation : evaluations_) {
    char text[120];
    std::snprintf(text, sizeof(text), "  %-24s %5.1f%%",
                  evaluation.at("after").get<std::string>().c_str(),
                  100 * evaluation.at("accuracy").get<double>());
    console_.Note(text);
  }
  std::vector<BeforeAfterRow> rows;
  for (size_t i = 0; i < std::min(first_examples_.size(), last_examples_.size()); ++i) {
    const nlohmann::json& before = first_examples_[i];
    const nlohmann::json& after = last_examples_[i];
    rows.push_back({before.at("prompt"), before.at("answer"), before.at("completion"),
                    after.at("completion"), before.at("correct"), after.at("correct")});
  }
  if (!rows.empty()) console_.Note(BeforeAfterTable(rows, console_.width()));
  const std::filesystem::path exported =
      folder_.path() / "checkpoints" / ("step-" + std::to_string(progress_.step)) / "model";
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - session_start_).count();
  console_.Note("done in " + FormatDuration(seconds) + ". The trained model: " + exported.string() +
                "\nnext:\n  ./cohort generate --model " + exported.string() + " --greedy" +
                TryPrompt() + "\n  tensorboard --logdir " + folder_.path().string() +
                "\n  edit the recipe, or set its keys on the command line: rounds[1].steps=200");
}

}  // namespace cohort::rl
