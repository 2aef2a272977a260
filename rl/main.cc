// The `cohort` program: a table of subcommands, nothing else.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/console_log.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "rl/commands/commands.h"
#include "rl/commands/flag_names.h"

namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(int argc, char** argv);
};

const Command kCommands[] = {
    {"train", "run a recipe: SFT and GRPO rounds; resumes by default", cohort::rl::RunTrain},
    {"replay", "compute a recorded step of a run again, bit for bit", cohort::rl::RunReplay},
    {"eval", "score a model on a file of problems", cohort::rl::RunEval},
    {"generate", "complete prompts", cohort::rl::RunGenerate},
    {"score", "logprobs of given tokens, by the learner or the decoder", cohort::rl::RunScore},
    {"tokenize", "text to ids, ids to text, messages to ids", cohort::rl::RunTokenize},
    {"grade", "run one reward over a file of answers", cohort::rl::RunGrade},
    {"reward", "try: rewards on a typed answer or on the samples of a run", cohort::rl::RunReward},
    {"objective", "advantages, loss and gradient of a small case in fp64",
     cohort::rl::RunObjective},
    {"problems", "print problems of a built-in generator", cohort::rl::RunProblems},
    {"convert", "write a model as a Hugging Face folder: other dtypes, FP8, experts, adapters",
     cohort::rl::RunConvert},
    {"bench", "measure decoding and a training step on this machine", cohort::rl::RunBench},
    {"plan", "what a model takes to store, train and serve, with every formula",
     cohort::rl::RunPlan},
    {"doctor", "check this machine: what the code sandbox is missing", cohort::rl::RunDoctor},
};

void PrintHelp(std::FILE* out) {
  std::fprintf(out, "cohort: GRPO post-training\n\nusage: cohort COMMAND [options]\n\n");
  for (const Command& command : kCommands) {
    std::fprintf(out, "  %-10s %s\n", command.name, command.summary);
  }
  std::fprintf(out,
               "\n`cohort COMMAND --help` explains one, `cohort --version` prints the version.\n"
               "Start here: ./cohort train recipes/quickstart.yaml\n");
}

// The threads of OpenMP, with which LibTorch computes, else spin for milliseconds when a loop ends,
// and take the cores from decoders, graders and whoever computes here. How they wait is read from
// the environment when the library is loaded, before main: so the program starts once more. Where
// that fails they spin.
void WaitWithoutSpinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  std::error_code none;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", none);
  if (none || setenv("OMP_WAIT_POLICY", "passive", 0) != 0) return;
  execv(program.c_str(), argv);
}

bool Computes(const std::string& command) {
  return command == "train" || command == "replay" || command == "bench";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0) {
    PrintHelp(argc < 2 ? stderr : stdout);
    return argc < 2 ? 2 : 0;
  }
  if (std::strcmp(argv[1], "--version") == 0) {
    std::printf("cohort %s\n", COHORT_VERSION);
    return 0;
  }
  if (Computes(argv[1])) WaitWithoutSpinning(argv);
  std::string running = argv[1];  // with the part of a command that has some
  if (running == "bench" && argc > 2) running += std::string(" ") + argv[2];
  cohort::base::LogToStderr("cohort");
  try {
    std::vector<std::string> names;
    for (const Command& command : kCommands) {
      if (std::strcmp(argv[1], command.name) == 0) {
        const int status = command.run(argc - 1, argv + 1);
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
          throw cohort::Error(cohort::ErrorCode::kEnvironment,
                              std::string("cannot write the output: ") + std::strerror(errno));
        }
        return status;
      }
      names.push_back(command.name);
    }
    throw cohort::Error(
        cohort::ErrorCode::kUsage,
        "unknown command '" + std::string(argv[1]) + "'" + cohort::base::DidYouMean(argv[1], names),
        "cohort --help lists the commands");
  } catch (const cohort::Error& error) {
    return cohort::ReportError(cohort::base::InOwnWords(error, cohort::rl::FlagNames(running)));
  } catch (const std::exception& error) {
    return cohort::ReportError(error);
  }
}
