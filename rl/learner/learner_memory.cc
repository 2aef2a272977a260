// The members of Learner that keep a step within memory: layers that are recomputed, micro-batches
// that are halved.

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <utility>

#include "base/error.h"
#include "policy/transformer/activation_memory.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/transformer/transformer.h"
#include "rl/learner/learner.h"

namespace cohort::rl {
namespace {

// LibTorch's own CPU allocator says it in the text of an error of no type of its own.
bool IsOutOfMemory(const std::exception& error) {
  return dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         (dynamic_cast<const c10::Error*>(&error) != nullptr &&
          std::string_view(error.what()).find("can't allocate memory") != std::string_view::npos);
}

std::string Mib(double bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.0f MiB", bytes / (1 << 20));
  return text;
}

// The micro-batch with the most tokens.
struct Largest {
  int64_t tokens = 0;
  size_t sequences = 0;
};

}  // namespace

std::vector<std::string> Learner::TakeWarnings() { return std::exchange(warnings_, {}); }

void Learner::BoundMicroBatches() {
  if (options_.activation_memory == 0) return;
  int64_t& bound = options_.max_tokens_per_microbatch;
  const auto budget = static_cast<double>(options_.activation_memory);
  bound = std::max<int64_t>(1, policy::MostTokensWithin(policy_->config(), budget, bound));
}

void Learner::RecomputeForBudget(int64_t tokens) {
  if (options_.activation_memory == 0) return;
  const policy::ModelConfig& config = policy_->config();
  const auto layers = policy::FewestRecomputedLayers(
      config, tokens, static_cast<double>(options_.activation_memory));
  policy_->RecomputeFirst(layers.value_or(config.num_layers));
  if (layers.has_value() || told_of_long_) return;
  told_of_long_ = true;
  warnings_.push_back("a sequence of " + std::to_string(tokens) + " tokens takes " +
                      Mib(policy::LeastActivationBytes(config, tokens)) +
                      " of activations with every layer recomputed, more than "
                      "optimizer.activation_memory_mb");
}

void Learner::WithinMemory(std::span<const TrainingSequence> sequences,
                           const std::function<void()>& pass) {
  while (true) {
    const at::Tensor load_LE = policy_->TakeExpertLoad();
    policy_->SetExpertLoad(load_LE);
    try {
      return pass();
    } catch (const std::exception& error) {
      if (!IsOutOfMemory(error)) throw;
    }
    // Nothing but these is changed before the optimizer steps.
    optimizer_->DropGradients();
    policy_->SetExpertLoad(load_LE);
    HalveMicroBatches(sequences);
  }
}

void Learner::HalveMicroBatches(std::span<const TrainingSequence> sequences) {
  Largest largest;
  for (const std::vector<int64_t>& chosen :
       PlanMicroBatches(sequences, options_.max_tokens_per_microbatch, LongBeyond())) {
    const int64_t tokens =
        PackMicroBatch(sequences, chosen, at::kCPU, LongBeyond()).tokens.ids_T.numel();
    if (tokens > largest.tokens) largest = {tokens, chosen.size()};
  }
  const policy::ModelConfig& config = policy_->config();
  const int64_t recomputed = policy_->recomputed_layers();
  const std::string what =
      "out of memory in a step: a micro-batch of up to " + std::to_string(largest.tokens) +
      " tokens takes " + Mib(policy::ActivationBytes(config, largest.tokens, recomputed)) +
      " of activations (" + std::to_string(recomputed) + " of " +
      std::to_string(config.num_layers) + " layers recomputed) and up to " +
      Mib(static_cast<double>(policy::LogprobsBytes(largest.tokens, config.vocab_size, config.width,
                                                    /*trained=*/!lora_.has_value()))) +
      " of logits";
  if (!options_.retry_out_of_memory) {
    throw Error(ErrorCode::kEnvironment, what,
                "lower optimizer.max_tokens_per_microbatch (now " +
                    std::to_string(options_.max_tokens_per_microbatch) +
                    "), set optimizer.activation_memory_mb, or allow "
                    "optimizer.retry_out_of_memory");
  }
  if (largest.sequences <= 1) {
    throw Error(ErrorCode::kEnvironment, what + ", and is one sequence already",
                "set optimizer.activation_memory_mb, shorten prompts and completions "
                "(data.max_prompt_tokens, rollout.max_new_tokens), or use a smaller model");
  }
  options_.max_tokens_per_microbatch = std::max<int64_t>(1, largest.tokens / 2);
  ++memory_retries_;
  warnings_.push_back(what + "; again, and from here on, with at most " +
                      std::to_string(options_.max_tokens_per_microbatch) +
                      " tokens (optimizer.max_tokens_per_microbatch; "
                      "optimizer.activation_memory_mb recomputes layers instead)");
}

}  // namespace cohort::rl
