// python: a function in a Python file, run in interpreters of its own.

#include <unistd.h>

#include <sstream>

#include "reward/plugins/grader.h"
#include "reward/plugins/python_process.h"
#include "reward/registry.h"

namespace cohort::reward {
namespace {

constexpr std::chrono::milliseconds kLoadLimit(60'000);  // imports of large libraries take long

// The path at which the shell would find the program.
std::string FindInterpreter(const Options& options) {
  const std::string name = options.Text("python", "python3");
  if (name.find('/') != std::string::npos) {
    if (access(name.c_str(), X_OK) != 0) options.Fail("there is no program " + name);
    return std::filesystem::absolute(name);
  }
  const char* path = getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path program = std::filesystem::path(folder) / name;
    if (access(program.c_str(), X_OK) == 0) return std::filesystem::absolute(program);
  }
  options.Fail("there is no program '" + name + "' in PATH",
               "install python3, or name an interpreter by the option 'python'");
}

std::unique_ptr<Grader> Make(const Options& options) {
  const std::filesystem::path file = RequiredFile(
      options, "'path' names a Python file; recipes/custom_reward/README.md shows one");
  const PythonSettings settings = {file, options.Text("function", ""), FindInterpreter(options),
                                   options.Integer("memory_mb", 4096, 64, 1 << 20)};
  const auto workers = static_cast<int>(options.Integer("workers", 0, 0, 1024));
  return std::make_unique<PluginGrader>(
      PluginGraderSettings{
          .file = file, .max_processes = workers, .keep_grades = options.Flag("cache", true)},
      [settings] { return std::make_unique<PythonProcess>(settings, Budget(kLoadLimit)); });
}

}  // namespace

RewardInfo PythonReward() {
  return {"python",
          "a function in a Python file of your own, run in separate interpreters",
          {{"path", "the Python file"},
           {"function", "its name (default reward, else reward_batch)"},
           {"workers", "most interpreters at once (default 0: one for each scoring thread)"},
           {"python", "the interpreter (default python3)"},
           {"memory_mb", "address space of each in MiB (default 4096)"},
           {"cache", "false: judge an input again that was judged before (default true)"}},
          Make,
          /*starts_process=*/true,
          /*trusted_only=*/true};
}

}  // namespace cohort::reward
