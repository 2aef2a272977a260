#include "rl/run/run_memory.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "base/available_memory.h"
#include "base/error.h"
#include "policy/transformer/activation_memory.h"
#include "policy/weights/weights.h"
#include "rl/data/demonstration.h"
#include "rl/objectives/objective.h"
#include "rl/objectives/policy_loss.h"
#include "rl/run/recipe_adapter.h"
#include "rl/run/train_recipe.h"

namespace cohort::rl {
namespace {

// Rows of an endless source, or of a file beyond its prompts, that are looked at.
constexpr uint64_t kRows = 512;

std::string Gib(double bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f GiB", bytes / (1 << 30));
  return text;
}

// Prompt and completion of a demonstration together, at most.
int64_t LongestDemonstration(const proto::Recipe& recipe, const policy::ModelConfig& config) {
  const int64_t wanted = recipe.data().max_sequence_tokens();
  return wanted > 0 ? std::min(wanted, config.max_positions) : config.max_positions;
}

// The mean of some lengths, to the nearest, and the longest.
struct Lengths {
  int64_t count = 0, sum = 0, longest = 0;

  void Add(int64_t length) {
    ++count;
    sum += length;
    longest = std::max(longest, length);
  }
  int64_t mean() const { return count == 0 ? 0 : (sum + count / 2) / count; }
};

void AddRounds(const proto::Recipe& recipe, const RowLengths& rows, LocalRun* run) {
  run->prompts = run->group_size = run->updates = 1;
  run->grpo = false;  // their steps count where there are some
  for (const proto::RoundSpec& spec : recipe.rounds()) {
    const bool sft = spec.kind() == proto::ROUND_KIND_SFT;
    const bool grpo = spec.kind() == proto::ROUND_KIND_GRPO;
    run->samples = run->samples || !sft;
    const int64_t prompts = sft ? spec.sequences_per_step() : spec.prompts_per_step();
    const int64_t group = sft ? 1 : spec.group_size();
    if ((grpo && !run->grpo) || (grpo == run->grpo && prompts * group > run->sequences())) {
      run->prompts = prompts;
      run->group_size = group;
    }
    run->grpo = run->grpo || grpo;
    if (grpo) {
      run->updates = std::max<int64_t>(run->updates, spec.updates_per_step());
      run->reference = MakePolicyObjective(ResolveObjective(recipe)).needs_ref_logprobs;
      continue;
    }
    const int64_t tokens = sft ? rows.demonstration : rows.prompt + run->new_tokens;
    if (spec.sequences_per_step() * tokens > run->demonstrations * run->demonstration_tokens) {
      run->demonstrations = spec.sequences_per_step();
      run->demonstration_tokens = tokens;
    }
    const int64_t longest =
        sft ? rows.longest_demonstration : rows.longest_prompt + run->new_tokens;
    run->longest_demonstration = std::max(run->longest_demonstration, longest);
  }
}

// Tokens of a sequence that the recipe lets be trained on. Where it bounds no demonstration, those
// of its rows count, not the model's context.
int64_t LongestSequence(const policy::Model& model, const proto::Recipe& recipe) {
  const int64_t room = model.config.max_positions;
  const bool samples =
      std::any_of(recipe.rounds().begin(), recipe.rounds().end(),
                  [](const auto& spec) { return spec.kind() != proto::ROUND_KIND_SFT; });
  const int64_t sampled =
      int64_t{recipe.data().max_prompt_tokens()} + recipe.rollout().max_new_tokens();
  const int64_t longest = samples ? std::min(room, sampled) : 0;
  if (!HasSftRound(recipe)) return longest;
  return std::max(longest, recipe.data().max_sequence_tokens() > 0
                               ? LongestDemonstration(recipe, model.config)
                               : MeasureRows(recipe, model).longest_demonstration);
}

}  // namespace

bool HasSftRound(const proto::Recipe& recipe) {
  return std::any_of(recipe.rounds().begin(), recipe.rounds().end(),
                     [](const auto& spec) { return spec.kind() == proto::ROUND_KIND_SFT; });
}

RowLengths MeasureRows(const proto::Recipe& recipe, const policy::Model& model) {
  ProblemSource problems(recipe.data(), ProblemOptions(recipe, model));
  const bool sft = HasSftRound(recipe);
  const int64_t limit = LongestDemonstration(recipe, model.config);
  const auto tokens = [](const auto& ids) { return static_cast<int64_t>(ids.size()); };
  Lengths prompts, demonstrations, all_prompts;
  const uint64_t size = problems.train_size();
  for (uint64_t row = 0; row < (size > 0 ? std::min(size, kRows) : kRows); ++row) {
    const SharedProblem problem = problems.Train(row);
    prompts.Add(tokens(problem->prompt_ids));
    if (!sft) continue;
    for (const Demonstration& one : EncodeDemonstration(model, problem->problem)) {
      demonstrations.Add(std::min(limit, tokens(one.prompt_ids) + tokens(one.completion_ids)));
    }
  }
  for (const SharedProblem& problem : problems.train())
    all_prompts.Add(tokens(problem->prompt_ids));
  return {prompts.count, prompts.mean(), std::max(prompts.longest, all_prompts.longest),
          demonstrations.mean(), demonstrations.longest};
}

LocalRun LocalRunOf(const proto::Recipe& recipe, const policy::ModelConfig& config,
                    const std::optional<RowLengths>& rows) {
  LocalRun run;
  if (recipe.data().has_generator() || !recipe.data().test().empty()) {
    run.evaluated = recipe.eval().problems();
    run.evaluated_samples = recipe.eval().samples();
  }
  run.samples = run.evaluated > 0;
  run.new_tokens = recipe.rollout().max_new_tokens();
  const int64_t room = std::max<int64_t>(1, config.max_positions - run.new_tokens);
  const int64_t prompt = std::min<int64_t>(recipe.data().max_prompt_tokens(), room);
  // One that nothing bounds is taken for a prompt with its completion.
  const int64_t demonstration = recipe.data().max_sequence_tokens() > 0
                                    ? LongestDemonstration(recipe, config)
                                    : std::min(prompt + run.new_tokens, config.max_positions);
  const RowLengths lengths =
      rows.value_or(RowLengths{0, prompt, prompt, demonstration, demonstration});
  run.prompt_tokens = lengths.prompt;
  run.longest_prompt = lengths.longest_prompt;
  run.measured_rows = lengths.rows;
  AddRounds(recipe, lengths, &run);
  if (const auto adapter = RecipeAdapter(recipe, config)) {
    const policy::LoraConfig& lora = adapter->config;
    for (const auto& [name, tensor] : adapter->weights) run.adapter_parameters += tensor.numel();
    if (adapter->weights.empty()) {
      run.adapter_parameters = AdapterParameters(config, lora.rank, lora.targets);
    }
  }
  run.microbatch_tokens = recipe.optimizer().max_tokens_per_microbatch();
  run.bf16_moments = recipe.optimizer().moments() == proto::Optimizer::MOMENTS_BFLOAT16;
  run.deterministic = recipe.deterministic();
  run.masters = recipe.optimizer().masters();
  run.activation_memory = int64_t{recipe.optimizer().activation_memory_mb()} << 20;
  run.workers = recipe.rollout().workers();
  run.kv_cache_bytes = int64_t{recipe.rollout().kv_cache_mb()} << 20;
  if (recipe.rollout().dtype() == proto::Rollout::DTYPE_BFLOAT16) {
    run.rollout_dtype = policy::Dtype::kBFloat16;
  }
  return run;
}

void CheckBudget(const policy::Model& model, const proto::Recipe& recipe) {
  const policy::ModelConfig& config = model.config;
  const LocalRun run = LocalRunOf(recipe, config);
  const auto budget = static_cast<double>(run.activation_memory);
  if (budget == 0) return;
  const int64_t longest = LongestSequence(model, recipe);
  const double least = policy::LeastActivationBytes(config, longest);
  if (least > budget) {
    throw Error(ErrorCode::kUsage,
                "optimizer.activation_memory_mb is " +
                    std::to_string(recipe.optimizer().activation_memory_mb()) +
                    ", which cannot hold one sequence of " + std::to_string(longest) +
                    " tokens, even with every layer recomputed",
                "the smallest that would do is " +
                    std::to_string(std::llround(std::ceil(least / (1 << 20)))) +
                    "; data.max_prompt_tokens, rollout.max_new_tokens and "
                    "data.max_sequence_tokens make sequences shorter");
  }
  const int64_t fits = policy::MostTokensWithin(config, budget, run.microbatch_tokens);
  if (fits == run.microbatch_tokens) return;
  std::fprintf(stderr,
               "note: optimizer.activation_memory_mb holds %lld tokens with every layer "
               "recomputed: micro-batches have at most as many, not "
               "optimizer.max_tokens_per_microbatch (%lld)\n",
               static_cast<long long>(fits), static_cast<long long>(run.microbatch_tokens));
}

void CheckMemory(const policy::Model& model, const proto::Recipe& recipe) {
  CheckBudget(model, recipe);
  const policy::ModelConfig& config = model.config;
  const auto available = static_cast<double>(base::AvailableMemory());
  const LocalRun run = LocalRunOf(recipe, config);
  const LocalMemory memory = MemoryOf(config, run);
  if (available < 0 || memory.total(run.workers) <= available) return;
  const auto parameters = static_cast<double>(policy::CountParameters(config));
  const double held = memory.held(run.workers);
  const std::string parts = "weights, gradients and moments " +
                            Gib(memory.weights + memory.gradients + memory.optimizer) +
                            ", reference policy " + Gib(memory.reference) + ", published weights " +
                            Gib(memory.merged + memory.images) + ", workers' weights " +
                            Gib(run.workers * memory.worker_weights);
  if (held > available) {
    throw Error(ErrorCode::kEnvironment,
                "training a model of " + std::to_string(std::llround(parameters / 1e6)) +
                    " million parameters needs " + Gib(held) + " before the first activation (" +
                    parts + "); " + Gib(available) + " are available",
                "use a smaller model or a larger machine; `cohort plan` shows every part");
  }
  std::fprintf(stderr,
               "warning: with the longest rows this run needs %s (%s, activations %s, logits %s, "
               "KV caches %s), and %s are available; smaller micro-batches and caches need less\n",
               Gib(memory.total(run.workers)).c_str(), parts.c_str(),
               Gib(memory.activations).c_str(), Gib(memory.logits).c_str(),
               Gib(run.workers * memory.worker_cache).c_str(), Gib(available).c_str());
}

}  // namespace cohort::rl
