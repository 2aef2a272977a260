#include "rl/plan/local_run.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <numeric>

#include "policy/config/linear_attention.h"
#include "policy/tensor/tensor_memory.h"
#include "policy/transformer/ops/logprobs.h"
#include "policy/weights/model_size.h"
#include "policy/weights/stored_tensors.h"
#include "policy/weights/weights.h"
#include "rl/plan/serving.h"
#include "rl/plan/training.h"
#include "rollout/decoder/decoder.h"

namespace cohort::rl {
namespace {

using policy::AttentionConfig;
using policy::ModelConfig;

constexpr double kFloatBytes = 4;
// Measured: LibTorch, gRPC and their threads.
constexpr double kLearnerProgram = 190e6, kWorkerProgram = 140e6;
// Measured as well, on SmolLM2-135M with and without adapters (15 and 18 %).
constexpr double kSpareShare = 0.18;

// Widths of the tensors that are kept, in numbers a token.
using Widths = std::vector<int64_t>;

void AddAttention(const ModelConfig& config, Widths* kept) {
  const AttentionConfig& a = config.attention;
  const int64_t q = a.num_heads * a.query_dim(), out = a.num_heads * a.value_dim();
  if (a.latent()) {
    const int64_t latent = a.kv_lora_rank;
    if (a.q_lora_rank > 0) kept->insert(kept->end(), 2, a.q_lora_rank);
    kept->insert(kept->end(), {latent + a.qk_rope_head_dim, latent, q, q, out, out});
    return;
  }
  const int64_t kv = a.num_kv_heads * a.head_dim;
  kept->insert(kept->end(), {q, kv, kv, out});
  if (a.gated_output) kept->insert(kept->end(), 3, out);  // gate, its sigmoid, the product
  if (a.qk_norm != policy::QkNorm::kNone) kept->insert(kept->end(), {q, kv});
}

// The convolution's inputs and outputs, queries, keys and values of the rule, its outputs and
// residuals, the norm's, gates, silu of them, and the product.
void AddDeltaNet(const policy::LinearAttentionConfig& linear, Widths* kept) {
  const int64_t keys = policy::KeyWidth(linear), channels = policy::ConvChannels(linear);
  kept->insert(kept->end(), {channels, channels, keys, keys});
  kept->insert(kept->end(), 7, policy::ValueWidth(linear));
}

void AddFeedForward(const ModelConfig& config, int64_t layer, Widths* kept) {
  if (!config.IsMoeLayer(layer)) {  // gate, up, their product
    kept->insert(kept->end(), 3, config.ffn_width);
    return;
  }
  const policy::MoeConfig& moe = config.moe;
  const int64_t routed = moe.expert_width * moe.experts_per_token;
  kept->insert(kept->end(), {2 * routed, routed});
  if (moe.shared_width > 0) kept->insert(kept->end(), 3, moe.shared_width);
  if (moe.shared_gate) kept->insert(kept->end(), {1, config.width});  // the gate, what it takes
  kept->insert(kept->end(), 4, moe.num_experts);  // logits, and what the selection makes of them
}

// Attention and feed-forward, and what the norm before each takes and gives.
Widths LayerWidths(const ModelConfig& config, int64_t layer) {
  Widths kept(4, config.width);
  config.linear.Has(layer) ? AddDeltaNet(config.linear, &kept) : AddAttention(config, &kept);
  AddFeedForward(config, layer, &kept);
  return kept;
}

double HeldFloats(int64_t count) {
  return static_cast<double>(policy::HeldTensorBytes(sizeof(float) * static_cast<size_t>(count)));
}

double HeldBytes(const Widths& widths, int64_t tokens) {
  double bytes = 0;
  for (const int64_t width : widths) bytes += HeldFloats(width * tokens);
  return bytes;
}

// Activations of one micro-batch: all layers' for the backward pass, and of the largest once more,
// as gradients.
double ActivationBytes(const ModelConfig& config, int64_t tokens) {
  double bytes = HeldBytes({config.width, config.width}, tokens), most = 0;
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const double layer = HeldBytes(LayerWidths(config, i), tokens);
    bytes += layer;
    most = std::max(most, layer);
  }
  return bytes + most;
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
  const int64_t longest = std::min(run.prompt_tokens + run.new_tokens, config.max_positions);
  const int64_t bound = std::max(run.microbatch_tokens, longest);
  return std::min(bound, (TrainedTokens(run) + run.updates - 1) / run.updates);
}

// Sequences that a worker decodes together.
int64_t Running(const LocalRun& run) {
  const int64_t share = (run.sequences() + run.workers - 1) / std::max(1, run.workers);
  return std::min<int64_t>(share, rollout::DecoderOptions{}.max_running);
}

// Of a sequence of so many tokens, in numbers.
int64_t CachedBy(const ModelConfig& config, const LocalRun& run, int64_t tokens) {
  const AttentionConfig& a = config.attention;
  if (!run.deterministic || !a.latent()) return policy::CachedValues(config, tokens);
  return policy::CachedTokens(config, tokens) * a.num_heads * (a.query_dim() + a.value_dim());
}

double CacheBytes(const ModelConfig& config, const LocalRun& run) {
  const int64_t longest = std::min(run.prompt_tokens + run.new_tokens, config.max_positions);
  const int64_t running = Running(run);
  int64_t filled = running * CachedBy(config, run, longest);
  if (config.attention.sliding_window > 0) {
    // A window that samples have left is kept once more for the prompt of their group.
    const int64_t group = std::max<int64_t>(1, run.group_size);
    filled += (running + group - 1) / group * policy::CachedValues(config, run.prompt_tokens);
  }
  // Of recurrent states a prompt has one until its samples have theirs.
  filled += (running + (running + 2) / 3) * policy::RecurrentValues(config);
  return std::min(kFloatBytes * static_cast<double>(filled),
                  static_cast<double>(run.kv_cache_bytes));
}

// Operations of one token's forward pass; its attention sees half of the sequence.
double ForwardFlops(const ModelConfig& config, int64_t length) {
  return TrainingFlopsPerToken(config, length) / 3;
}

}  // namespace

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

int64_t KeptActivationsPerToken(const ModelConfig& config) {
  int64_t kept = 2 * config.width;  // the final norm
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const Widths layer = LayerWidths(config, i);
    kept = std::accumulate(layer.begin(), layer.end(), kept);
  }
  return kept;
}

LocalMemory MemoryOf(const ModelConfig& config, const LocalRun& run) {
  const policy::ModelConfig decoded = policy::WithoutMtpLayers(config);
  const auto published = static_cast<double>(policy::CountParameters(decoded));
  const bool adapters = run.adapter_parameters > 0;
  const double weights = HeldWeights(config);
  const double trained =
      adapters ? kFloatBytes * static_cast<double>(run.adapter_parameters) : weights;
  const double stored = run.rollout_dtype == policy::Dtype::kFloat32 ? 4 : 2;
  const int64_t tokens = MicroBatch(config, run);
  LocalMemory memory;
  memory.program = kLearnerProgram;
  memory.weights = weights + (adapters ? trained : 0);
  memory.gradients = trained;
  memory.optimizer = (run.bf16_moments ? 1 : 2) * trained;
  if (run.reference) memory.reference = trained;
  if (adapters) memory.merged = HeldWeights(decoded);
  if (run.samples) memory.images = 2 * stored * published;
  memory.activations = ActivationBytes(config, tokens);
  memory.logits = static_cast<double>(
      policy::LogprobsBytes(tokens, config.vocab_size, config.width, /*trained=*/!adapters));
  memory.spare = kSpareShare * memory.tensors();
  memory.worker_program = kWorkerProgram;
  if (run.samples) {
    memory.worker_weights = stored * published;
    memory.worker_cache = CacheBytes(config, run);
  }
  return memory;
}

LocalStep StepOf(const ModelConfig& config, const LocalRun& run, const Machine& machine,
                 double utilization) {
  const int64_t length = std::min(run.prompt_tokens + run.new_tokens, config.max_positions);
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
  load.batch = Running(run);
  load.context = run.prompt_tokens + run.new_tokens / 2;
  load.devices = 1;
  step.decode_s = sequences * static_cast<double>(run.new_tokens) /
                  PlanDecoding(config, machine, load).tokens_per_s;
  step.old_logprobs_s = forward_s * (updates - 1) / updates;
  if (run.reference) step.ref_logprobs_s = forward_s;
  // Without gradients of the weights the backward pass is half as long.
  step.forward_backward_s = forward_s * (adapters ? 2 : 3);
  // Reads parameter, gradient and two moments, writes all but the gradient.
  const double moved = 3 * kFloatBytes + 4 * (run.bf16_moments ? 2 : kFloatBytes);
  step.optimizer_s = updates * moved * trained / machine.read_bytes_per_s;
  step.publish_s =
      (kFloatBytes + (1.0 + 2.0 * run.workers) * stored) * published / machine.read_bytes_per_s;
  return step;
}

}  // namespace cohort::rl
