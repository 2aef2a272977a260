#include "rl/commands/step_benchmark.h"

#include <algorithm>
#include <fstream>

#include "base/json_lines.h"
#include "rl/commands/temporary_folder.h"
#include "rl/data/problem_generator.h"
#include "rl/recipe/recipe.h"
#include "rl/records/metrics_log.h"
#include "rl/run/train_recipe.h"

namespace cohort::rl {
namespace {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n == 0 ? 0 : (values[(n - 1) / 2] + values[n / 2]) / 2;
}

// Prompts of exactly `length` tokens, cut from word problems.
void WritePrompts(const std::filesystem::path& path, const policy::Model& model, int length) {
  std::ofstream out(path, std::ios::binary);
  for (uint64_t i = 0; i < 256; ++i) {
    std::vector<int32_t> ids;
    for (uint64_t j = 0; ids.size() < static_cast<size_t>(length); ++j) {
      const Problem problem = GenerateProblem("word_problems", i, j);
      const std::vector<int32_t> more = model.tokenizer->Encode(problem.prompt + " ");
      ids.insert(ids.end(), more.begin(), more.end());
    }
    ids.resize(static_cast<size_t>(length));
    out << base::DumpJson({{"prompt", model.tokenizer->Decode(ids)}, {"answer", ""}}) << "\n";
  }
}

std::string RecipeText(const StepBenchmarkOptions& options, const std::string& prompts) {
  const nlohmann::json recipe = {
      {"name", "bench-step"},
      {"threads", options.threads},
      {"model", {{"path", options.model}}},
      {"data", {{"train", prompts}}},
      // A score that differs from sample to sample: in a group of equal ones nothing is trained.
      {"rewards",
       {{{"name", "length"}, {"options", {{"target", std::to_string(4 * options.new_tokens)}}}}}},
      {"objective",
       {{"preset", "dapo"},
        {"kl", options.kl_coef > 0 ? "k3" : "none"},
        {"kl_coef", options.kl_coef}}},
      {"rollout", {{"max_new_tokens", options.new_tokens}}},
      {"eval", {{"problems", 0}}},
      {"output", {{"checkpoint_every", 1000000}, {"samples_every", 1000000}}},
      {"rounds",
       {{{"kind", "grpo"},
         {"steps", options.steps + options.warmup},
         {"prompts_per_step", options.prompts},
         {"group_size", options.group_size},
         {"learning_rate", 1e-6}}}}};
  return recipe.dump(2);  // JSON is YAML
}

}  // namespace

nlohmann::json RunStepBenchmark(const StepBenchmarkOptions& options) {
  const TemporaryFolder folder;
  WritePrompts(folder.path() / "prompts.jsonl", policy::LoadModelWithoutWeights(options.model),
               options.prompt_tokens);
  const std::filesystem::path recipe_path = folder.path() / "bench.yaml";
  std::ofstream(recipe_path) << RecipeText(options, (folder.path() / "prompts.jsonl").string());
  const proto::Recipe recipe = LoadRecipe(recipe_path);
  {
    RunFolder run_folder(folder.path() / "run", recipe, true);
    run_folder.Describe(recipe, {"bench", "step"});
    TrainRecipe(recipe, run_folder, FindPrograms());
  }
  std::map<std::string, std::vector<double>> parts;
  for (const nlohmann::json& row : MetricsLog::Read(folder.path() / "run")) {
    if (row.value("phase", "") != "grpo" || row.at("step") <= options.warmup) continue;
    for (const char* part :
         {"step_s", "decode_s", "reward_s", "forward_backward_s", "update_s", "publish_s",
          "completion_tokens", "trained_tokens", "zero_variance_groups"}) {
      parts[part].push_back(row.at(part).get<double>());
    }
  }
  nlohmann::json result = {{"model", options.model},
                           {"prompts", options.prompts},
                           {"group_size", options.group_size},
                           {"steps", options.steps}};
  for (const auto& [name, values] : parts) result[name] = Median(values);
  const double step_s = result.at("step_s");
  result["completions_per_s"] = options.prompts * options.group_size / step_s;
  result["completion_tokens_per_s"] = result.at("completion_tokens").get<double>() / step_s;
  return result;
}

}  // namespace cohort::rl
