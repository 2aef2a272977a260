#include "rl/run/initial_policy.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/error.h"
#include "policy/config/routing_format.h"
#include "policy/upcycle.h"
#include "policy/weights/fp8_blocks.h"
#include "policy/weights/weights.h"
#include "rl/recipe/recipe.h"
#include "rl/run/recipe_adapter.h"
#include "rl/run/run_memory.h"

namespace cohort::rl {
namespace {

constexpr char kEndOfText[] = "<|end|>";

policy::ModelConfig ScratchConfig(const proto::Scratch& scratch) {
  policy::ModelConfig config;
  const bool latent = scratch.kv_lora_rank() > 0;
  config.family = latent ? "deepseek_v3" : scratch.experts() > 0 ? "glm4_moe" : "llama";
  config.width = scratch.width();
  config.num_layers = scratch.layers();
  config.attention.num_heads = scratch.heads();
  if (latent) {
    config.attention.kind = policy::AttentionKind::kLatent;
    config.attention.kv_lora_rank = scratch.kv_lora_rank();
    config.attention.q_lora_rank = scratch.q_lora_rank();
    config.attention.qk_nope_head_dim = scratch.qk_nope_head_dim();
    config.attention.qk_rope_head_dim = scratch.qk_rope_head_dim();
    config.attention.v_head_dim = scratch.v_head_dim();
    config.rope.interleaved = true;
  } else {
    config.attention.num_kv_heads = scratch.kv_heads();
    config.attention.head_dim = scratch.width() / scratch.heads();
  }
  config.ffn_width = scratch.ffn_width();
  config.max_positions = scratch.context();
  config.tie_embeddings = false;
  if (scratch.experts() > 0) {
    config.moe.num_experts = scratch.experts();
    config.moe.experts_per_token = scratch.experts_per_token();
    config.moe.expert_width = scratch.expert_width();
    config.moe.shared_width = scratch.shared_experts() * scratch.expert_width();
    config.moe.first_dense_layers = scratch.first_dense_layers();
    config.moe.num_groups = scratch.groups();
    config.moe.groups_per_token = scratch.groups_per_token();
    config.moe.routed_scaling = scratch.routed_scaling();
    config.num_mtp_layers = scratch.mtp_layers();
  }
  return config;
}

policy::UpcycleOptions Upcycling(const proto::Upcycle& upcycle, uint64_t seed) {
  return {.experts = upcycle.experts(),
          .top_k = upcycle.top_k(),
          .shared = upcycle.shared(),
          .noise = upcycle.noise(),
          .seed = seed};
}

// Refuses FP8 for shapes that its blocks do not fit, and a replay of routing that there is none of.
void CheckShapes(const policy::ModelConfig& config, const proto::Recipe& recipe) {
  if (recipe.optimizer().precision() == proto::Optimizer::PRECISION_FP8) {
    policy::CheckFp8Shapes(config, "optimizer.precision: fp8");
  }
  if (!recipe.rollout().routing_replay() || policy::RoutingFormatOf(config).moe_layers > 0) return;
  throw Error(ErrorCode::kUsage,
              "rollout.routing_replay is set, and the model (" + config.family +
                  ") has no mixture of experts",
              "leave it out");
}

policy::OpenedModel OpenWithMtp(const std::string& path, const proto::Mtp& mtp) {
  const bool wanted = mtp.layers() == proto::Mtp::LAYERS_LOAD;
  policy::OpenedModel opened =
      policy::OpenModel(path, policy::Dtype::kFloat32,
                        wanted ? policy::MtpLayers::kLoad : policy::MtpLayers::kLeaveOut);
  if (!wanted || opened.model.config.num_mtp_layers > 0) return opened;
  throw Error(ErrorCode::kUsage,
              "mtp.layers is load, but " + path + " has no multi-token-prediction layers",
              "leave mtp.layers out");
}

// A token by its text, or by its id in decimal.
int64_t StopToken(const std::string& token, const policy::Model& model) {
  if (const auto id = model.tokenizer->TokenId(token)) return *id;
  int64_t id = -1;
  const char* end = token.data() + token.size();
  const auto read = std::from_chars(token.data(), end, id);
  if (read.ec == std::errc() && read.ptr == end && id >= 0 && id < model.config.vocab_size) {
    return id;
  }
  throw Error(ErrorCode::kUsage, "rollout.stop_tokens has '" + token +
                                     "', which is neither a token of the model nor an id below " +
                                     std::to_string(model.config.vocab_size));
}

// Those of rollout.stop_tokens, too.
void AddStopTokens(const proto::Recipe& recipe, policy::Model* model) {
  std::vector<int64_t>& ends = model->config.eos_ids;
  for (const std::string& token : recipe.rollout().stop_tokens()) {
    const int64_t id = StopToken(token, *model);
    if (std::count(ends.begin(), ends.end(), id) == 0) ends.push_back(id);
  }
  if (ends.empty()) {
    std::fprintf(stderr,
                 "warning: neither the model's files nor rollout.stop_tokens name an end token: "
                 "every completion runs to rollout.max_new_tokens\n");
  }
}

policy::Model FreshModelWithoutWeights(const proto::Scratch& scratch) {
  policy::Model fresh;
  fresh.tokenizer = policy::MakeByteTokenizer({kEndOfText});
  fresh.config = ScratchConfig(scratch);
  fresh.config.vocab_size = fresh.tokenizer->vocab_size();
  fresh.config.eos_ids = {*fresh.tokenizer->TokenId(kEndOfText)};
  fresh.chat_variables = {{"bos_token", ""}, {"eos_token", kEndOfText}};
  return fresh;
}

policy::Model LoadOrMake(const proto::Recipe& recipe) {
  const proto::Model& model = recipe.model();
  const uint64_t seed = recipe.seed();
  if (!model.has_scratch()) {
    policy::OpenedModel opened = model.has_upcycle() ? policy::OpenModel(model.path())
                                                     : OpenWithMtp(model.path(), recipe.mtp());
    const policy::UpcycleOptions options = Upcycling(model.upcycle(), seed);
    policy::Model planned = opened.model;  // without weights yet
    if (model.has_upcycle()) planned.config = policy::UpcycledConfig(planned.config, options);
    CheckShapes(planned.config, recipe);
    CheckMemory(planned, recipe);
    opened.model.weights = opened.weights->TakeAll();
    if (!model.has_upcycle()) return std::move(opened.model);
    policy::Model experts = policy::Upcycle(opened.model, options);
    for (auto& [name, tensor] : experts.weights) tensor = tensor.contiguous();  // copies part here
    return experts;
  }
  policy::Model fresh = FreshModelWithoutWeights(model.scratch());
  CheckShapes(fresh.config, recipe);
  CheckMemory(fresh, recipe);
  fresh.weights = policy::InitialWeights(fresh.config, seed);
  return fresh;
}

}  // namespace

policy::Model InitialPolicy(const proto::Recipe& recipe) {
  policy::Model model = LoadOrMake(recipe);
  AddStopTokens(recipe, &model);
  return model;
}

policy::Model InitialPolicyWithoutWeights(const proto::Recipe& recipe) {
  const proto::Model& wanted = recipe.model();
  policy::Model model = wanted.has_scratch() ? FreshModelWithoutWeights(wanted.scratch())
                                             : policy::LoadModelWithoutWeights(wanted.path());
  if (wanted.has_upcycle()) {
    model.config = policy::UpcycledConfig(model.config, Upcycling(wanted.upcycle(), recipe.seed()));
  }
  CheckShapes(model.config, recipe);
  RecipeAdapter(recipe, model.config);  // refuses what does not fit
  CheckBudget(model, recipe);
  AddStopTokens(recipe, &model);
  return model;
}

RoutingOptions RecipeRouting(const proto::Recipe& recipe, const proto::RoundSpec& spec) {
  RoutingOptions routing;
  routing.freeze_router = spec.freeze_router();
  if (spec.has_selection_bias_rate()) {
    routing.selection_bias_rate = spec.selection_bias_rate();
  } else {
    const bool grpo = spec.kind() == proto::ROUND_KIND_GRPO;
    routing.selection_bias_rate = grpo ? 0 : recipe.optimizer().selection_bias_rate();
  }
  return routing;
}

LearnerOptions RecipeLearnerOptions(const proto::Recipe& recipe) {
  const proto::Optimizer& optimizer = recipe.optimizer();
  LearnerOptions options;
  options.optimizer = {
      optimizer.beta1(),         optimizer.beta2(),
      optimizer.epsilon(),       optimizer.weight_decay(),
      optimizer.max_grad_norm(), optimizer.moments() == proto::Optimizer::MOMENTS_BFLOAT16,
      optimizer.masters()};
  options.max_tokens_per_microbatch = optimizer.max_tokens_per_microbatch();
  options.activation_memory = int64_t{optimizer.activation_memory_mb()} << 20;
  options.retry_out_of_memory = optimizer.retry_out_of_memory();
  options.sampling_temperature = recipe.rollout().temperature();
  options.mtp_loss_weight = recipe.mtp().loss_weight();
  options.numerics = LearnerNumerics(optimizer);
  return options;
}

}  // namespace cohort::rl
