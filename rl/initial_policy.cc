#include "rl/initial_policy.h"

#include "base/error.h"

namespace cohort::rl {
namespace {

constexpr char kEndOfText[] = "<|end|>";

policy::ModelConfig ScratchConfig(const proto::Scratch& scratch) {
  policy::ModelConfig config;
  config.family = scratch.experts() > 0 ? "glm4_moe" : "llama";
  config.width = scratch.width();
  config.num_layers = scratch.layers();
  config.num_heads = scratch.heads();
  config.num_kv_heads = scratch.kv_heads();
  config.head_dim = scratch.width() / scratch.heads();
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

}  // namespace

policy::Model InitialPolicy(const proto::Model& model, uint64_t seed) {
  if (!model.has_scratch()) return policy::LoadModel(model.path());
  policy::Model fresh;
  fresh.tokenizer = policy::MakeByteTokenizer({kEndOfText});
  fresh.config = ScratchConfig(model.scratch());
  fresh.config.vocab_size = fresh.tokenizer->vocab_size();
  fresh.config.eos_ids = {*fresh.tokenizer->TokenId(kEndOfText)};
  fresh.weights = policy::InitialWeights(fresh.config, seed);
  fresh.chat_variables = {{"bos_token", ""}, {"eos_token", kEndOfText}};
  return fresh;
}

}  // namespace cohort::rl
