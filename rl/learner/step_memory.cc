#include "rl/learner/step_memory.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "policy/config/rope_frequencies.h"
#include "policy/transformer/activation_memory.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/transformer/transformer.h"

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

}  // namespace

StepMemory::StepMemory(policy::TransformerImpl& policy, const LearnerOptions& options)
    : policy_(policy),
      device_(options.device),
      max_tokens_(options.max_tokens_per_microbatch),
      budget_(static_cast<double>(options.activation_memory)),
      retry_(options.retry_out_of_memory) {
  const policy::ModelConfig& config = policy.config();
  long_beyond_ =
      policy::ComputeRopeFrequencies(config.rope, config.attention.rotary_dim()).long_beyond;
  if (budget_ == 0) return;
  max_tokens_ = std::max<int64_t>(1, policy::MostTokensWithin(config, budget_, max_tokens_));
}

std::vector<std::vector<int64_t>> StepMemory::Split(
    std::span<const TrainingSequence> sequences) const {
  return PlanMicroBatches(sequences, max_tokens_, long_beyond_);
}

MicroBatch StepMemory::Pack(std::span<const TrainingSequence> sequences,
                            const std::vector<int64_t>& chosen) const {
  return PackMicroBatch(sequences, chosen, device_, long_beyond_);
}

void StepMemory::RecomputeFor(int64_t tokens) {
  if (budget_ == 0) return;
  const policy::ModelConfig& config = policy_.config();
  const auto layers = policy::FewestRecomputedLayers(config, tokens, budget_);
  policy_.RecomputeFirst(layers.value_or(config.num_layers));
  if (layers.has_value() || told_of_long_) return;
  told_of_long_ = true;
  warnings_.push_back("a sequence of " + std::to_string(tokens) + " tokens takes " +
                      Mib(policy::LeastActivationBytes(config, tokens)) +
                      " of activations with every layer recomputed, more than "
                      "optimizer.activation_memory_mb");
}

void StepMemory::Run(std::span<const TrainingSequence> sequences,
                     const std::function<void()>& pass) {
  while (true) {
    const at::Tensor load_LE = policy_.TakeExpertLoad();
    policy_.SetExpertLoad(load_LE);
    try {
      return pass();
    } catch (const std::exception& error) {
      if (!IsOutOfMemory(error)) throw;
    }
    policy_.SetExpertLoad(load_LE);
    HalveMicroBatches(sequences);
  }
}

std::vector<std::string> StepMemory::TakeWarnings() { return std::exchange(warnings_, {}); }

void StepMemory::HalveMicroBatches(std::span<const TrainingSequence> sequences) {
  struct Largest {  // the micro-batch with the most tokens
    int64_t tokens = 0;
    size_t sequences = 0;
  } largest;
  for (const std::vector<int64_t>& chosen : Split(sequences)) {
    const int64_t tokens =
        PackMicroBatch(sequences, chosen, at::kCPU, long_beyond_).tokens.ids_T.numel();
    if (tokens > largest.tokens) largest = {tokens, chosen.size()};
  }
  const policy::ModelConfig& config = policy_.config();
  const int64_t recomputed = policy_.recomputed_layers();
  const std::string what = "out of memory in a step: a micro-batch of up to " +
                           std::to_string(largest.tokens) + " tokens takes " +
                           Mib(policy::ActivationBytes(config, largest.tokens, recomputed)) +
                           " of activations (" + std::to_string(recomputed) + " of " +
                           std::to_string(config.num_layers) + " layers recomputed) and up to " +
                           Mib(static_cast<double>(policy::LogprobsBytes(
                               largest.tokens, config.vocab_size, config.width,
                               /*trained=*/policy_.head().weight_VD.requires_grad()))) +
                           " of logits";
  if (!retry_) {
    throw Error(ErrorCode::kEnvironment, what,
                "lower optimizer.max_tokens_per_microbatch (now " + std::to_string(max_tokens_) +
                    "), set optimizer.activation_memory_mb, or allow "
                    "optimizer.retry_out_of_memory");
  }
  if (largest.sequences <= 1) {
    throw Error(ErrorCode::kEnvironment, what + ", and is one sequence already",
                "set optimizer.activation_memory_mb, shorten prompts and completions "
                "(data.max_prompt_tokens, rollout.max_new_tokens), or use a smaller model");
  }
  max_tokens_ = std::max<int64_t>(1, largest.tokens / 2);
  ++retries_;
  warnings_.push_back(what + "; again, and from here on, with at most " +
                      std::to_string(max_tokens_) +
                      " tokens (optimizer.max_tokens_per_microbatch; "
                      "optimizer.activation_memory_mb recomputes layers instead)");
}

}  // namespace cohort::rl
