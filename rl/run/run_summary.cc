#include "rl/run/run_summary.h"

#include "rl/checkpoint/checkpoint.h"

namespace cohort::rl {
namespace {

// Arguments for `cohort generate` that ask `prompt`, where the shell needs no quoting tricks.
std::string GenerateArguments(bool chat, const std::string& prompt) {
  const bool plain =
      !prompt.empty() && prompt.size() < 200 && prompt.find_first_of("'\n") == std::string::npos;
  return (chat ? " --chat --prompt '" : " --prompt '") + (plain ? prompt : "...") + "'";
}

}  // namespace

void PrintSummary(const RunContext& context, const EvaluationHistory& evaluations, double seconds) {
  Console& console = context.console;
  const std::string reward = evaluations.reward();
  const std::vector<std::string> accuracies = evaluations.AccuracyLines();
  if (!accuracies.empty()) {
    console.Heading("held-out accuracy" + (reward.empty() ? "" : " (" + reward + ")"));
  }
  for (const std::string& line : accuracies) console.Note(line);
  const std::vector<BeforeAfterRow> rows = evaluations.BeforeAfterRows();
  if (!rows.empty()) console.Note(BeforeAfterTable(rows, console.width()));
  for (const UnreadableRows& rows : context.problems.unreadable()) console.Warn(rows.Describe());
  const std::filesystem::path& folder = context.folder.path();
  const auto exported = [&](int64_t step) {
    return (CheckpointFolder(folder, step) / "model").string();
  };
  const auto best = evaluations.best_step();
  if (context.recipe.output().keep_best() && best && *best != context.progress.step) {
    console.Note("the best evaluation is that of step " + std::to_string(*best) + ": " +
                 exported(*best));
  }
  const int last = context.recipe.rounds_size() - 1;
  console.Note("done in " + FormatDuration(seconds) + ". The trained model: " +
               exported(context.progress.step) + "\nnext:\n  ./cohort generate --model " +
               exported(context.progress.step) + " --greedy" +
               GenerateArguments(context.recipe.data().chat(), evaluations.ExamplePrompt()) +
               "\n  tensorboard --logdir " + folder.string() + "\n  the same command with rounds[" +
               std::to_string(last) +
               "].steps=" + std::to_string(2 * context.recipe.rounds(last).steps()) + " trains on");
}

}  // namespace cohort::rl
