// cohort train: run a recipe, or go on with the run that the folder holds.

#include <cstdio>

#include "base/console_log.h"
#include "base/error.h"
#include "base/printable_text.h"
#include "reward/code/box/sandbox.h"
#include "reward/registry.h"
#include "rl/checkpoint/provenance.h"
#include "rl/checkpoint/run_folder.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rl/fleet/interrupt.h"
#include "rl/objectives/explain.h"
#include "rl/objectives/objective.h"
#include "rl/recipe/recipe.h"
#include "rl/run/train_recipe.h"

namespace cohort::rl {
namespace {

// A plug-in that does not load is told now and not after the first completions. Services that run
// elsewhere have files of their own.
void CheckPluginsLoad(const proto::Recipe& recipe) {
  if (!recipe.rollout().reward_addresses().empty()) return;
  reward::judge::Sandbox::AllowWeak(recipe.rollout().allow_weak_sandbox());
  for (const reward::RewardTerm& term : recipe.rewards()) {
    reward::CheckRewardLoads(term.name(), {term.options().begin(), term.options().end()});
  }
}

// From here on console.log of the run folder has what people are told, log messages included.
void KeepConsoleOf(const RunFolder& folder, const std::vector<std::string>& command_line) {
  std::string heading = "cohort";
  for (const std::string& word : command_line) heading += " " + word;
  base::KeepConsole(folder.path() / "console.log",
                    heading + (folder.resuming() ? " (goes on)" : " (starts)"));
  base::LogToStderr("cohort");
}

}  // namespace

int RunTrain(int argc, char** argv) {
  std::string recipe_path, out;
  std::vector<std::string> overrides;
  ResumeOptions resume;
  bool dry_run = false;
  CLI::App app(
      "Runs a recipe; goes on where it stopped when the run folder holds a run. Example:\n"
      "  cohort train recipes/quickstart.yaml seed=2 rounds[1].steps=50",
      "cohort train");
  app.add_option("recipe", recipe_path, "YAML file")->required();
  app.add_option("overrides", overrides, "key=value, dots for nesting, [i] for lists");
  app.add_option("--out", out, "run folder (default: runs/NAME)");
  app.add_flag("--fresh", resume.fresh, "start anew; a run that is there moves to FOLDER.old-N");
  app.add_flag("--resume-with-changes", resume.with_changes,
               "go on although a learning rate, a schedule or a reward's weight has changed");
  app.add_flag(
      "--dry-run", dry_run,
      "print the resolved recipe and the objective, open model and data, try the rewards on two "
      "training rows, train nothing");
  if (const auto status = ParseCommandLine(app, argc, argv)) return *status;

  const proto::Recipe recipe = LoadRecipe(recipe_path, overrides);
  CheckPluginsLoad(recipe);
  if (dry_run) {
    std::printf("%s", base::PrintableText(ResolvedYaml(recipe)).c_str());
    base::PrintNote(Explain(ResolveObjective(recipe)) + "\n" + DescribeRun(recipe));
    return 0;
  }
  CatchInterrupts();
  RunFolder folder(out.empty() ? "runs/" + recipe.name() : out, recipe, resume);
  folder.Describe(recipe, {argv, argv + argc});
  KeepConsoleOf(folder, {argv, argv + argc});
  for (const std::string& change : folder.changes()) {
    base::PrintNote("changed from here on: " + change);
  }
  const std::string processor = folder.other_processor();
  if (!processor.empty()) {
    base::PrintNote("warning: the run was made on another processor (" + processor +
                    "): its steps from here on are as good, but not the same bits");
  }
  const std::string numerics = folder.other_numerics(recipe);
  if (!numerics.empty()) {
    base::PrintNote("warning: the run's products were of the class " + numerics +
                    ", here they are " + ThisNumerics(recipe) +
                    ": its steps from here on are not the same bits");
  }
  TrainRecipe(recipe, folder, FindPrograms());
  return 0;
}

}  // namespace cohort::rl
