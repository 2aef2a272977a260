#include "rl/plan/local_run.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "kernels/cpu/attention.h"
#include "policy/tensor/tensor_memory.h"
#include "policy/transformer/activation_memory.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/weights/model_size.h"
#include "policy/weights/stored_tensors.h"
#include "policy/weights/weights.h"
#include "rl/plan/serving.h"
#include "rl/plan/training.h"
#include "rollout/decoder/decoder.h"

namespace cohort::rl {
namespace {

using policy::ModelConfig;

constexpr double kFloatBytes = 4;
// Measured: LibTorch, gRPC and their threads.
constexpr double kLearnerProgram = 190e6, kWorkerProgram = 140e6, kRewardProgram = 22e6;
// Blocks that a tensor of another size has left, as long as its tensors were more at their most
// (policy/tensor/tensor_memory.h), and what malloc keeps of small ones. Measured.
constexpr double kSpareShare = 0.08;

double HeldFloats(int64_t count) {
  return static_cast<double>(policy::HeldTensorBytes(sizeof(float) * static_cast<size_t>(count)));
}

double HeldWeights(const ModelConfig& config) {
  double bytes = 0;
  for (const policy::TensorSpec& spec : ExpectedTensors(config)) {
    int64_t count = 1;
    for (const int64_t size : spec.shape) count *= size;
    bytes += HeldFloats(count);
  }
  return bytes;
}

bool IsTargeted(const std::string& module, const std::vector<std::string>& targets) {
  return std::any_of(targets.begin(), targets.end(), [&](const std::string& target) {
    return target == "all-linear" || module == target || module.ends_with("." + target);
  });
}

// Tokens that a step trains on: a prompt's once, for its group.
int64_t TrainedTokens(const LocalRun& run) {
  return run.prompts * run.prompt_tokens + run.sequences() * run.new_tokens;
}

// Tokens of the largest micro-batch: a sequence longer than the bound is one by itself.
int64_t MicroBatch(const ModelConfig& config, const LocalRun& run) {
  int64_t wanted = run.microbatch_tokens;
  if (run.activation_memory > 0) {
    wanted = policy::MostTokensWithin(config, static_cast<double>(run.activation_memory), wanted);
  }
  const int64_t bound = std::max(wanted, run.longest(config));
  return std::min(bound, run.step_tokens());
}

// Sequences that a worker decodes together, of so many of all workers.
int64_t Running(int64_t sequences, int workers) {
  const int64_t share = (sequences + workers - 1) / std::max(1, workers);
  return std::min<int64_t>(share, rollout::DecoderOptions{}.max_running);
}

// Of a sequence of so many tokens, in numbers.
int64_t CachedBy(const ModelConfig& config, const LocalRun& run, int64_t tokens) {
  const policy::AttentionConfig& a = config.attention;
  if (!run.deterministic || !a.latent()) return policy::CachedValues(config, tokens);
  return policy::CachedTokens(config, tokens) * a.num_heads * (a.query_dim() + a.value_dim());
}

// Numbers that a worker's cache holds when it decodes groups of this size.
int64_t CachedNumbers(const ModelConfig& config, const LocalRun& run, int64_t running,
                      int64_t group) {
  const int64_t prompts = (running + group - 1) / group;
  int64_t filled = 0;
  if (config.attention.sliding_window > 0) {
    // A window that samples have left is kept once more for the prompt of their group.
    filled = running * CachedBy(config, run, run.sampled(config)) +
             prompts * CachedBy(config, run, run.prompt_tokens);
  } else {  // a group has the whole blocks of its prompt once
    constexpr int64_t kBlock = kernels::kBlockTokens;
    const int64_t shared = run.prompt_tokens / kBlock * kBlock;
    const int64_t all = (run.sampled(config) + kBlock - 1) / kBlock * kBlock;
    filled = CachedBy(config, run, 1) * (prompts * shared + running * (all - shared));
  }
  // Of recurrent states a prompt has one until its samples have theirs.
  return filled + (running + (running + 2) / 3) * policy::RecurrentValues(config);
}

// Of a step or of an evaluation.
double CacheBytes(const ModelConfig& config, const LocalRun& run) {
  const auto cached = [&](int64_t sequences, int64_t group) {
    return CachedNumbers(config, run, Running(sequences, run.workers), std::max<int64_t>(1, group));
  };
  const int64_t filled =
      std::max(cached(run.sequences(), run.group_size),
               cached(run.evaluated * run.evaluated_samples, run.evaluated_samples));
  return std::min(kFloatBytes * static_cast<double>(filled),
                  static_cast<double>(run.kv_cache_bytes));
}

// Operations of one token's forward pass; its attention sees half of the sequence.
double ForwardFlops(const ModelConfig& config, int64_t length) {
  return TrainingFlopsPerToken(config, length) / 3;
}

}  // namespace

int64_t LocalRun::longest(const policy::ModelConfig& config) const {
  const int64_t in_grpo = grpo ? std::max(longest_prompt, prompt_tokens) + new_tokens : 0;
  return std::min(std::max(in_grpo, longest_demonstration), config.max_positions);
}

int64_t LocalRun::step_tokens() const {
  const int64_t in_grpo = prompts * prompt_tokens + sequences() * (new_tokens - 1);
  return std::max(grpo ? (in_grpo + updates - 1) / updates : 0,
                  demonstrations * (demonstration_tokens - 1));
}

int64_t AdapterParameters(const ModelConfig& config, int64_t rank,
                          const std::vector<std::string>& targets) {
  int64_t count = 0;
  const ModelConfig decoded = policy::WithoutMtpLayers(config);
  for (const policy::TensorSpec& spec : ExpectedTensors(decoded)) {
    const std::string& name = spec.name;
    if (spec.shape.size() < 2 || name.ends_with("_bias") ||
        name.ends_with(".embed_tokens.weight") || name == "lm_head.weight" ||
        name.ends_with(".mlp.gate.weight") || name.ends_with(".conv1d.weight")) {
      continue;
    }
    const at::Tensor shape = at::empty(spec.shape, at::TensorOptions().device(at::kMeta));
    for (const policy::StoredTensor& layer : LinearLayers(decoded, name, shape)) {
      const std::string module = layer.name.substr(0, layer.name.rfind(".weight"));
      if (layer.shape.size() != 2 || !IsTargeted(module, targets)) continue;
      count += rank * (layer.shape[0] + layer.shape[1]);
    }
  }
  return count;
}

int64_t RecomputedLayers(const ModelConfig& config, const LocalRun& run) {
  if (run.activation_memory == 0) return 0;
  return policy::FewestRecomputedLayers(config, MicroBatch(config, run),
                                        static_cast<double>(run.activation_memory))
      .value_or(config.num_layers);
}

LocalMemory MemoryOf(const ModelConfig& config, const LocalRun& run) {
  const policy::ModelConfig decoded = policy::WithoutMtpLayers(config);
  const auto published = static_cast<double>(policy::CountParameters(decoded));
  const bool adapters = run.adapter_parameters > 0;
  const double whole = HeldWeights(config);
  const double weights = run.masters ? whole : whole / 2;  // norms and routers are few
  const double trained =
      adapters ? kFloatBytes * static_cast<double>(run.adapter_parameters) : weights;
  const double moments = adapters ? static_cast<double>(run.adapter_parameters)
                                  : static_cast<double>(policy::CountParameters(config));
  const double image = (run.rollout_dtype == policy::Dtype::kFloat32 ? 4 : 2) * published;
  const int64_t tokens = MicroBatch(config, run);
  LocalMemory memory;
  memory.program = kLearnerProgram;
  memory.weights = weights + (adapters ? trained : 0);
  memory.gradients = trained;
  memory.optimizer = 2 * (run.bf16_moments ? 2 : kFloatBytes) * moments;
  if (run.reference) memory.reference = trained;
  if (adapters) memory.merged = HeldWeights(decoded);
  memory.activations = policy::ActivationBytes(config, tokens, RecomputedLayers(config, run));
  memory.logits = static_cast<double>(
      policy::LogprobsBytes(tokens, config.vocab_size, config.width, /*trained=*/!adapters));
  memory.spare = kSpareShare * memory.tensors();
  memory.worker_program = kWorkerProgram;
  memory.rewards = kRewardProgram;
  if (run.samples) {
    memory.images = image;
    memory.worker_mapped = memory.worker_weights = image;
    memory.worker_cache = CacheBytes(config, run);
  }
  return memory;
}

LocalStep StepOf(const ModelConfig& config, const LocalRun& run, const Machine& machine,
                 double utilization) {
  const int64_t length = run.sampled(config);
  const double flops = machine.fp32_flops * utilization;
  const auto sequences = static_cast<double>(run.sequences());
  const auto trained_tokens = static_cast<double>(TrainedTokens(run));
  const double forward_s = trained_tokens * ForwardFlops(config, length) / flops;
  const auto published =
      static_cast<double>(policy::CountParameters(policy::WithoutMtpLayers(config)));
  const bool adapters = run.adapter_parameters > 0;
  const double trained = adapters ? static_cast<double>(run.adapter_parameters)
                                  : static_cast<double>(policy::CountParameters(config));
  const double stored = run.rollout_dtype == policy::Dtype::kFloat32 ? 4 : 2;
  const auto updates = static_cast<double>(run.updates);
  LocalStep step;
  step.prefill_s = static_cast<double>(run.prompts * run.prompt_tokens) *
                   ForwardFlops(config, run.prompt_tokens) / machine.fp32_flops;
  DecodeLoad load;
  load.dtype = run.rollout_dtype;
  load.batch = Running(run.sequences(), run.workers);
  load.context = run.prompt_tokens + run.new_tokens / 2;
  load.devices = 1;
  step.decode_s = sequences * static_cast<double>(run.new_tokens) /
                  PlanDecoding(config, machine, load).tokens_per_s;
  step.old_logprobs_s = forward_s * (updates - 1) / updates;
  if (run.reference) step.ref_logprobs_s = forward_s;
  // Without gradients of the weights the backward pass is half as long.
  const double again = static_cast<double>(RecomputedLayers(config, run)) /
                       static_cast<double>(std::max<int64_t>(1, config.num_layers));
  step.forward_backward_s = forward_s * ((adapters ? 2 : 3) + again);
  // Reads parameter, gradient and two moments, writes all but the gradient.
  const double moved =
      3 * (run.masters ? kFloatBytes : 2) + 4 * (run.bf16_moments ? 2 : kFloatBytes);
  step.optimizer_s = updates * moved * trained / machine.read_bytes_per_s;
  step.publish_s =
      (kFloatBytes + (1.0 + 2.0 * run.workers) * stored) * published / machine.read_bytes_per_s;
  return step;
}

}  // namespace cohort::rl
