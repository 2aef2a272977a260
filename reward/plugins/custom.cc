// custom: a user's shared object, run in processes of its own (plugin.h is the interface).

#include "reward/plugins/grader.h"
#include "reward/plugins/process.h"
#include "reward/registry.h"

namespace cohort::reward {
namespace {

constexpr std::chrono::milliseconds kLoadLimit(10'000);

std::unique_ptr<Grader> Make(const Options& options) {
  const std::filesystem::path file =
      RequiredFile(options,
                   "'path' names a shared object; recipes/custom_reward/README.md shows how to "
                   "compile one");
  const PluginSettings settings = {file, options.Text("config", ""),
                                   options.Integer("memory_mb", 2048, 64, 1 << 20)};
  return std::make_unique<PluginGrader>(
      PluginGraderSettings{.file = file, .keep_grades = options.Flag("cache", true)},
      [settings] { return std::make_unique<PluginProcess>(settings, Budget(kLoadLimit)); });
}

}  // namespace

RewardInfo CustomReward() {
  return {"custom",
          "a shared object of your own (reward/plugin.h), run in a separate process",
          {{"path", "the shared object"},
           {"config", "text handed to it with every sample"},
           {"memory_mb", "its address space in MiB (default 2048)"},
           {"cache", "false: judge an input again that was judged before (default true)"}},
          Make,
          /*starts_process=*/true,
          /*trusted_only=*/true};
}

}  // namespace cohort::reward
