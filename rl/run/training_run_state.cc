// The members of TrainingRun that concern its state on disk: resume and checkpoints.

#include <string>

#include "base/error.h"
#include "rl/learner/learner.h"
#include "rl/run/training_run.h"

namespace cohort::rl {

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
  journal_ = std::make_unique<Journal>(context_.folder.path(), context_.recipe,
                                       state.scalars.value("journal", nlohmann::json()));
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

void TrainingRun::SaveState() {
  const std::string bad = context_.learner.NonFiniteWeight();
  if (!bad.empty()) {
    throw Error(ErrorCode::kDiverged,
                "after step " + std::to_string(progress_.step) + " " + bad + " is not finite",
                GoBackHint());
  }
  TrainingState state;
  state.tensors = context_.learner.SaveState();
  state.scalars = {{"progress", progress_}, {"files", log_->Sync()}, {"journal", journal_->Sync()}};
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
  // An update that was not written down has changed the weights already.
  if (progress_.policy_version != recorded_.policy_version) return;
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

}  // namespace cohort::rl
