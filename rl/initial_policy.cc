#include "rl/initial_policy.h"

#include <cmath>
#include <cstdio>

#include "base/available_memory.h"
#include "base/error.h"

namespace cohort::rl {
namespace {

constexpr char kEndOfText[] = "<|end|>";

policy::ModelConfig ScratchConfig(const proto::Scratch& scratch) {
  policy::ModelConfig config;
  config.family = scratch.experts() > 0 ? "glm4_moe" : "llama";
  config.width = scratch.width();
  config.num_layers = scratch.layers();
  config.attention.num_heads = scratch.heads();
  config.attention.num_kv_heads = scratch.kv_heads();
  config.attention.head_dim = scratch.width() / scratch.heads();
  config.ffn_width = scratch.ffn_width();
  config.max_positions = scratch.context();
  config.tie_embeddings = false;
  if (scratch.experts() > 0) {
    config.moe.num_experts = scratch.experts();
    config.moe.experts_per_token = scratch.experts_per_token();
    config.moe.num_shared_experts = scratch.shared_experts();
    config.moe.expert_width = scratch.expert_width();
    config.moe.first_dense_layers = scratch.first_dense_layers();
  }
  return config;
}

// Refuses what would end in the kernel's killing some process half an hour later.
void CheckFits(const policy::ModelConfig& config, int bytes_per_parameter) {
  const auto parameters = static_cast<double>(policy::CountParameters(config));
  const double needed = parameters * bytes_per_parameter;
  const int64_t available = base::AvailableMemory();
  if (available < 0 || needed <= static_cast<double>(available)) return;
  const auto gib = [](double bytes) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.1f GiB", bytes / (1 << 30));
    return std::string(text);
  };
  throw Error(
      ErrorCode::kEnvironment,
      "training a model of " + std::to_string(std::llround(parameters / 1e6)) +
          " million parameters needs " + gib(needed) + " before the first activation (weights" +
          (bytes_per_parameter < kTrainingBytesPerParameter ? ", the copy with adapters added"
                                                            : ", gradients, two moments") +
          ", the published image and a worker's copy in fp32); " +
          gib(static_cast<double>(available)) + " are available",
      "use a smaller model or a larger machine");
}

}  // namespace

policy::Model InitialPolicy(const proto::Model& model, uint64_t seed, int bytes_per_parameter) {
  if (!model.has_scratch()) {
    CheckFits(policy::LoadModelWithoutWeights(model.path()).config, bytes_per_parameter);
    return policy::LoadModel(model.path());
  }
  policy::Model fresh;
  fresh.tokenizer = policy::MakeByteTokenizer({kEndOfText});
  fresh.config = ScratchConfig(model.scratch());
  fresh.config.vocab_size = fresh.tokenizer->vocab_size();
  fresh.config.eos_ids = {*fresh.tokenizer->TokenId(kEndOfText)};
  CheckFits(fresh.config, bytes_per_parameter);
  fresh.weights = policy::InitialWeights(fresh.config, seed);
  fresh.chat_variables = {{"bos_token", ""}, {"eos_token", kEndOfText}};
  return fresh;
}

}  // namespace cohort::rl
