#include "rl/commands/sft_benchmark.h"

#include <chrono>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/counter_random.h"
#include "base/error.h"
#include "base/seconds_since.h"
#include "rl/commands/median.h"
#include "rl/commands/product_share.h"
#include "rl/plan/training.h"
#include "rl/recipe/recipe.h"
#include "rl/run/initial_policy.h"
#include "rl/run/recipe_learner.h"

namespace cohort::rl {
namespace {

proto::Recipe BenchmarkRecipe(const SftBenchmarkOptions& options) {
  proto::Recipe recipe;
  recipe.set_threads(options.threads);
  recipe.mutable_model()->set_path(options.model);
  recipe.mutable_data()->set_max_sequence_tokens(options.tokens);
  if (options.bf16) {
    recipe.mutable_optimizer()->set_precision(proto::Optimizer::PRECISION_BFLOAT16);
  }
  proto::RoundSpec* round = recipe.add_rounds();
  round->set_kind(proto::ROUND_KIND_SFT);
  round->set_sequences_per_step(options.sequences);
  return WithDefaults(std::move(recipe));
}

// The first token of each sequence differs, so that no two share a prompt.
std::vector<TrainingSequence> RandomSequences(const SftBenchmarkOptions& options,
                                              int64_t vocab_size) {
  std::vector<TrainingSequence> sequences(static_cast<size_t>(options.sequences));
  for (size_t s = 0; s < sequences.size(); ++s) {
    sequences[s].prompt_length = options.prompt_tokens;
    for (int i = 0; i < options.tokens; ++i) {
      const double uniform = base::UniformDraw(1, s, static_cast<uint64_t>(i));
      sequences[s].ids.push_back(static_cast<int32_t>(uniform * static_cast<double>(vocab_size)));
    }
    sequences[s].ids.front() = static_cast<int32_t>(s % static_cast<size_t>(vocab_size));
  }
  MarkCommonPrompts(sequences);
  return sequences;
}

void Check(const SftBenchmarkOptions& options, const policy::ModelConfig& config) {
  if (options.prompt_tokens >= options.tokens) {
    throw Error(
        ErrorCode::kUsage,
        "nothing to measure: all " + std::to_string(options.tokens) +
            " tokens of a sequence are prompt, none is learnt",
        "lower --prompt-tokens (" + std::to_string(options.prompt_tokens) + ") or raise --tokens");
  }
  if (options.tokens > config.max_positions) {
    throw Error(ErrorCode::kUsage,
                "a sequence of " + std::to_string(options.tokens) +
                    " tokens is longer than the model's context of " +
                    std::to_string(config.max_positions),
                "lower --tokens");
  }
}

}  // namespace

nlohmann::json RunSftBenchmark(const SftBenchmarkOptions& options) {
  const proto::Recipe recipe = BenchmarkRecipe(options);
  PrepareLibTorch(options.threads);
  Check(options, InitialPolicyWithoutWeights(recipe).config);
  policy::Model model = InitialPolicy(recipe);
  const std::unique_ptr<Learner> learner = MakeLearner(recipe, &model);
  const std::vector<TrainingSequence> sequences = RandomSequences(options, model.config.vocab_size);
  std::map<std::string, std::vector<double>> parts;
  for (int step = 0; step < options.warmup + options.steps; ++step) {
    const auto start = std::chrono::steady_clock::now();
    const UpdateReport report = learner->SftUpdate(sequences, /*learning_rate=*/1e-6);
    if (step < options.warmup) continue;
    parts["step_s"].push_back(base::SecondsSince(start));
    parts["forward_backward_s"].push_back(report.forward_backward_s);
    parts["update_s"].push_back(report.update_s);
  }
  nlohmann::json result = {{"model", options.model},
                           {"sequences", options.sequences},
                           {"tokens", options.tokens},
                           {"precision", options.bf16 ? "bfloat16" : "float32"},
                           {"steps", options.steps}};
  for (const auto& [name, values] : parts) result[name] = Median(values);
  result["tokens_per_s"] =
      static_cast<double>(options.sequences) * options.tokens / result["step_s"].get<double>();
  // A sequence's last token is learnt, and predicts nothing.
  const TokenRange ranges[] = {{0, options.tokens - 1, options.sequences}};
  const int64_t learnt = int64_t{options.sequences} * (options.tokens - options.prompt_tokens);
  result.update(ProductShare({3 * ForwardFlops(model.config, ranges, learnt),
                              result["forward_backward_s"].get<double>(), options.bf16},
                             MeasureProductRates(options.threads)));
  return result;
}

}  // namespace cohort::rl
