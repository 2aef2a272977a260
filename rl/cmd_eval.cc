// cohort eval: a model's accuracy on a file of problems, through the same workers and rewards as a
// run.

#include <cstdio>

#include "base/error.h"
#include "base/json_lines.h"
#include "rl/command_line.h"
#include "rl/commands.h"
#include "rl/fleet.h"
#include "rl/temporary_folder.h"

namespace cohort::rl {
namespace {

struct EvalOptions {
  std::string model, data, reward;
  std::vector<std::string> reward_options;
  std::string prompt_field = "prompt", answer_field = "answer", instruction;
  bool chat = false, json = false;
  int samples = 1, problems = 1'000'000, max_tokens = 256;
  double temperature = -1;
  uint64_t seed = 0;
};

std::optional<int> Parse(int argc, char** argv, EvalOptions* options) {
  CLI::App app(
      "Accuracy on a JSON-lines file of problems. Example:\n"
      "  cohort eval --model runs/quickstart/checkpoints/step-360/model --data problems.jsonl "
      "--reward exact_answer",
      "cohort eval");
  app.add_option("--model", options->model)->required();
  app.add_option("--data", options->data, "JSON lines")->required();
  app.add_option("--reward", options->reward, "what decides; a score of 1 is correct")->required();
  app.add_option("--option", options->reward_options, "key=value of the reward");
  app.add_option("--prompt-field", options->prompt_field);
  app.add_option("--answer-field", options->answer_field);
  app.add_option("--instruction", options->instruction,
                 "system message of a chat, or a first line");
  app.add_flag("--chat", options->chat, "wrap prompts in the model's chat template");
  app.add_option("--n", options->samples, "samples a problem; accuracy is their mean")
      ->check(CLI::PositiveNumber);
  app.add_option("--problems", options->problems, "at most so many, from the top")
      ->check(CLI::PositiveNumber);
  app.add_option("--temperature", options->temperature, "default: greedy, or 1 with --n above 1")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--max-tokens", options->max_tokens)->check(CLI::PositiveNumber);
  app.add_option("--seed", options->seed);
  app.add_flag("--json", options->json, "one JSON object on stdout");
  return ParseCommandLine(app, argc, argv);
}

proto::Recipe EvalRecipe(const EvalOptions& options) {
  proto::Recipe recipe;
  recipe.set_seed(options.seed);
  proto::Data* data = recipe.mutable_data();
  data->set_test(options.data);
  data->set_prompt_field(options.prompt_field);
  data->set_answer_field(options.answer_field);
  data->set_instruction(options.instruction);
  data->set_chat(options.chat);
  proto::RewardTerm* reward = recipe.add_rewards();
  reward->set_name(options.reward);
  for (const std::string& option : options.reward_options) {
    const size_t equals = option.find('=');
    if (equals == std::string::npos) {
      throw Error(ErrorCode::kUsage, "--option '" + option + "' is not key=value");
    }
    (*reward->mutable_options())[option.substr(0, equals)] = option.substr(equals + 1);
  }
  recipe.mutable_rollout()->set_max_new_tokens(options.max_tokens);
  return recipe;
}

}  // namespace

int RunEval(int argc, char** argv) {
  EvalOptions options;
  if (const auto status = Parse(argc, argv, &options)) return *status;
  const proto::Recipe recipe = EvalRecipe(options);
  std::vector<Problem> problems = LoadProblems(recipe.data(), options.data, RowKind::kHeldOut);
  if (problems.size() > static_cast<size_t>(options.problems)) {
    problems.resize(static_cast<size_t>(options.problems));
  }
  const policy::Model model = policy::LoadModel(options.model);
  const TemporaryFolder folder;
  Fleet fleet(recipe, model, folder.path(), FindPrograms());
  fleet.Publish(model.weights, 1);
  const double fallback = options.samples > 1 ? 1.0 : 0.0;
  const Evaluation result = fleet.Evaluate(
      problems, options.temperature >= 0 ? options.temperature : fallback, options.samples);
  if (options.json) {
    std::printf("%s\n", base::DumpJson({{"accuracy", result.accuracy},
                                        {"samples", result.problems},
                                        {"problems", problems.size()},
                                        {"failed", result.failed},
                                        {"completion_tokens_mean", result.completion_tokens},
                                        {"truncated", result.truncated},
                                        {"wall_s", result.wall_s}})
                            .c_str());
    return 0;
  }
  std::printf(
      "accuracy %.2f%% over %lld samples of %zu problems; %lld failed in the grader; %.1f tokens a "
      "completion; %.1f s\n",
      100 * result.accuracy, static_cast<long long>(result.problems), problems.size(),
      static_cast<long long>(result.failed), result.completion_tokens, result.wall_s);
  return 0;
}

}  // namespace cohort::rl
