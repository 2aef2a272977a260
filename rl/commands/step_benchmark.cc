#include "rl/commands/step_benchmark.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/json_lines.h"
#include "base/temporary_folder.h"
#include "kernels/cpu/ops.h"
#include "rl/commands/median.h"
#include "rl/commands/product_share.h"
#include "rl/data/problem_generator.h"
#include "rl/plan/training.h"
#include "rl/recipe/recipe.h"
#include "rl/records/metrics_log.h"
#include "rl/run/train_recipe.h"

namespace cohort::rl {
namespace {

// Prompts of exactly `length` tokens, cut from word problems.
void WritePrompts(const std::filesystem::path& path, const policy::Model& model, int length) {
  std::ofstream out(path, std::ios::binary);
  for (uint64_t i = 0; i < 256; ++i) {
    std::vector<int32_t> ids;
    for (uint64_t j = 0; ids.size() < static_cast<size_t>(length); ++j) {
      const Problem problem = GenerateProblem(proto::Data::GENERATOR_WORD_PROBLEMS, i, j);
      const std::vector<int32_t> more = model.tokenizer->Encode(problem.prompt + " ");
      ids.insert(ids.end(), more.begin(), more.end());
    }
    ids.resize(static_cast<size_t>(length));
    out << base::DumpJson({{"prompt", model.tokenizer->Decode(ids)}, {"answer", ""}}) << "\n";
  }
}

proto::Recipe BenchmarkRecipe(const StepBenchmarkOptions& options, const std::string& prompts) {
  proto::Recipe recipe;
  recipe.set_name("bench-step");
  recipe.set_threads(options.threads);
  recipe.mutable_model()->set_path(options.model);
  recipe.mutable_data()->set_train(prompts);
  // Cut and decoded, some are a few tokens longer again.
  recipe.mutable_data()->set_max_prompt_tokens(std::max(1024, 2 * options.prompt_tokens));
  // A score that differs from sample to sample: in a group of equal ones nothing is trained.
  reward::RewardTerm* reward = recipe.add_rewards();
  reward->set_name("length");
  (*reward->mutable_options())["target"] = std::to_string(4 * options.new_tokens);
  proto::Objective* objective = recipe.mutable_objective();
  objective->set_preset(proto::Objective::PRESET_DAPO);
  objective->set_kl(options.kl_coef > 0 ? proto::Objective::KL_K3 : proto::Objective::KL_NONE);
  objective->set_kl_coef(options.kl_coef);
  if (options.bf16) {
    recipe.mutable_optimizer()->set_precision(proto::Optimizer::PRECISION_BFLOAT16);
    recipe.mutable_rollout()->set_dtype(proto::Rollout::DTYPE_BFLOAT16);
  }
  if (options.fp8) recipe.mutable_optimizer()->set_precision(proto::Optimizer::PRECISION_FP8);
  recipe.mutable_rollout()->set_max_new_tokens(options.new_tokens);
  recipe.mutable_rollout()->set_kv_cache_mb(static_cast<int>(options.kv_cache_bytes >> 20));
  recipe.mutable_eval()->set_problems(0);
  recipe.mutable_output()->set_checkpoint_every(1'000'000);
  recipe.mutable_output()->set_samples_every(1'000'000);
  proto::RoundSpec* round = recipe.add_rounds();
  round->set_kind(proto::ROUND_KIND_GRPO);
  round->set_steps(options.steps + options.warmup);
  round->set_prompts_per_step(options.prompts);
  round->set_group_size(options.group_size);
  round->set_learning_rate(1e-6);
  return CompleteRecipe(std::move(recipe));
}

// Operations of the step's forward and backward passes: of groups in which something is learnt,
// each prompt once, each completion but for its last token, which predicts nothing.
double UpdateFlops(const StepBenchmarkOptions& options, const policy::ModelConfig& config,
                   const nlohmann::json& medians) {
  const double groups = options.prompts - medians.at("zero_variance_groups").get<double>();
  const double completions = groups * options.group_size;
  if (completions <= 0) return 0;
  const double length =
      medians.at("completion_tokens").get<double>() / (options.prompts * options.group_size);
  const double prompts = medians.at("trained_tokens").get<double>() - completions * (length - 1);
  const int64_t prompt = std::llround(prompts / groups);
  const TokenRange ranges[] = {
      {0, prompt, std::llround(groups)},
      {prompt, std::llround(length) - 1, std::llround(completions)},
  };
  return 3 * ForwardFlops(config, ranges, std::llround(completions * length));
}

}  // namespace

nlohmann::json RunStepBenchmark(const StepBenchmarkOptions& options) {
  const base::TemporaryFolder folder;
  const policy::Model model = policy::LoadModelWithoutWeights(options.model);
  WritePrompts(folder.path() / "prompts.jsonl", model, options.prompt_tokens);
  const proto::Recipe recipe = BenchmarkRecipe(options, (folder.path() / "prompts.jsonl").string());
  {
    RunFolder run_folder(folder.path() / "run", recipe, {.fresh = true});
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
                           {"precision", options.fp8    ? "fp8"
                                         : options.bf16 ? "bfloat16"
                                                        : "float32"},
                           {"numerics", kernels::NumericsName(LearnerNumerics(recipe.optimizer()))},
                           {"steps", options.steps}};
  for (const auto& [name, values] : parts) result[name] = Median(values);
  const double step_s = result.at("step_s");
  result["completions_per_s"] = options.prompts * options.group_size / step_s;
  result["completion_tokens_per_s"] = result.at("completion_tokens").get<double>() / step_s;
  result.update(ProductShare({UpdateFlops(options, model.config, result),
                              result["forward_backward_s"].get<double>(), options.bf16},
                             MeasureProductRates(options.threads)));
  return result;
}

}  // namespace cohort::rl
