#include "rl/recipe/rules.h"

#include <string>

#include "base/error.h"
#include "base/listen.h"
#include "reward/registry.h"

namespace cohort::rl {
namespace {

bool Samples(const proto::Recipe& recipe) {
  for (const proto::Round& round : recipe.rounds()) {
    if (round.kind() == "grpo" || round.kind() == "rejection_sft") return true;
  }
  return false;
}

void CheckName(const proto::Recipe& recipe, RecipeReader* reader) {
  const std::string& name = recipe.name();
  const bool plain =
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
      std::string::npos;
  if (!name.empty() && (!plain || name.starts_with('.'))) {
    reader->AddFault("name", "name '" + name +
                                 "' names a folder; use letters, digits, '.', '_' and '-', with a "
                                 "letter or digit first");
  }
}

void CheckExperts(const proto::Scratch& scratch, RecipeReader* reader) {
  const std::string base = "model.scratch.";
  const auto number = [](int64_t n) { return std::to_string(n); };
  if (scratch.experts_per_token() > scratch.experts()) {
    reader->AddFault(base + "experts_per_token",
                     base + "experts_per_token is " + number(scratch.experts_per_token()) +
                         "; must be at most experts (" + number(scratch.experts()) + ")");
  }
  const int size = scratch.experts() / scratch.groups();  // of a group
  if (scratch.experts() % scratch.groups() != 0 || (scratch.groups() > 1 && size < 2)) {
    reader->AddFault(base + "groups", base + "groups (" + number(scratch.groups()) +
                                          ") must divide experts (" + number(scratch.experts()) +
                                          ") into groups of at least 2");
  } else if (scratch.groups_per_token() > scratch.groups() ||
             scratch.experts_per_token() > int64_t{size} * scratch.groups_per_token()) {
    reader->AddFault(base + "groups_per_token",
                     base + "groups_per_token is " + number(scratch.groups_per_token()) +
                         "; must be at most groups (" + number(scratch.groups()) +
                         ") and leave a token its " + number(scratch.experts_per_token()) +
                         " experts out of groups of " + number(size));
  }
}

void CheckGroupedQueryAttention(const proto::Scratch& scratch, RecipeReader* reader) {
  const std::string base = "model.scratch.";
  if (scratch.heads() % scratch.kv_heads() != 0) {
    reader->AddFault(base + "kv_heads", base + "heads (" + std::to_string(scratch.heads()) +
                                            ") must be a multiple of kv_heads (" +
                                            std::to_string(scratch.kv_heads()) + ")");
  }
  if (scratch.width() % scratch.heads() != 0 || scratch.width() / scratch.heads() % 2 != 0) {
    reader->AddFault(base + "width", base + "width (" + std::to_string(scratch.width()) +
                                         ") divided by heads (" + std::to_string(scratch.heads()) +
                                         ") must be an even whole number");
  }
}

void CheckScratch(const proto::Scratch& scratch, RecipeReader* reader) {
  const std::string base = "model.scratch.";
  if (scratch.experts() > 0) CheckExperts(scratch, reader);
  if (scratch.kv_lora_rank() == 0) {
    CheckGroupedQueryAttention(scratch, reader);
    return;
  }
  if (scratch.experts() == 0) {
    reader->AddFault(base + "experts", base +
                                           "experts is 0; latent attention (kv_lora_rank) comes "
                                           "with the experts of a DeepSeek-V3");
  }
  if (scratch.qk_rope_head_dim() % 2 != 0) {
    reader->AddFault(base + "qk_rope_head_dim", base + "qk_rope_head_dim is " +
                                                    std::to_string(scratch.qk_rope_head_dim()) +
                                                    "; must be even");
  }
}

void CheckModel(const proto::Recipe& recipe, RecipeReader* reader) {
  const proto::Model& model = recipe.model();
  const bool has_path = !model.path().empty();
  if (has_path == model.has_scratch()) {
    reader->AddFault("model", std::string("model needs exactly one of path (a model to load) and "
                                          "scratch (the shape of a new one); it has ") +
                                  (has_path ? "both" : "neither"));
  }
  if (model.has_upcycle() && model.upcycle().top_k() > model.upcycle().experts()) {
    reader->AddFault("model.upcycle.top_k", "model.upcycle.top_k is " +
                                                std::to_string(model.upcycle().top_k()) +
                                                "; must be at most experts (" +
                                                std::to_string(model.upcycle().experts()) + ")");
  }
  if (!model.has_scratch()) return;
  if (model.has_upcycle()) {
    reader->AddFault("model.upcycle",
                     "model.upcycle needs model.path, a dense model to start from");
  }
  CheckScratch(model.scratch(), reader);
  if (recipe.data().chat()) {
    reader->AddFault("data.chat",
                     "data.chat needs a model with a chat template; a model from "
                     "scratch has none");
  }
  if (Samples(recipe) && recipe.rollout().max_new_tokens() >= model.scratch().context()) {
    reader->AddFault("rollout.max_new_tokens",
                     "rollout.max_new_tokens (" +
                         std::to_string(recipe.rollout().max_new_tokens()) +
                         ") leaves no room for a prompt in model.scratch.context (" +
                         std::to_string(model.scratch().context()) + " tokens)");
  }
}

void CheckData(const proto::Data& data, RecipeReader* reader) {
  const bool has_train = !data.train().empty();
  if (has_train == !data.generator().empty()) {
    reader->AddFault("data", std::string("data needs exactly one of train (a JSON-lines file) and "
                                         "generator; it has ") +
                                 (has_train ? "both" : "neither") +
                                 (has_train ? "" : ", add data.train=FILE.jsonl"));
  }
  if (!data.generator().empty() && !data.test().empty()) {
    reader->AddFault("data.test",
                     "data.test cannot be used with data.generator, which holds out "
                     "its own problems");
  }
}

void CheckLora(const proto::Lora& lora, RecipeReader* reader) {
  if (lora.rank() > 0 && lora.targets().empty()) {
    reader->AddFault("lora",
                     "lora.targets is empty; name linear layers, such as [q_proj, v_proj], or "
                     "[all-linear]");
  }
  if (lora.rank() == 0 && !lora.targets().empty()) {
    reader->AddFault("lora", "lora.targets needs a lora.rank of 1 or more, such as 16");
  }
}

void CheckRewardTerm(const proto::Recipe& recipe, int index, RecipeReader* reader) {
  const proto::RewardTerm& term = recipe.rewards(index);
  const std::string path = "rewards[" + std::to_string(index) + "]";
  if (term.name().empty()) {
    reader->AddFault(path, path + " has no name");
    return;
  }
  try {
    reward::CheckReward(term.name(), {term.options().begin(), term.options().end()});
  } catch (const Error& error) {
    const std::string hint = error.hint().empty() ? "" : "; " + error.hint();
    reader->AddFault(path + ".name", error.what() + hint);
  }
}

void CheckRound(const proto::Recipe& recipe, int index, RecipeReader* reader) {
  const proto::Round& round = recipe.rounds(index);
  const std::string path = "rounds[" + std::to_string(index) + "]";
  if (!round.has_kind()) {
    reader->AddFault(path, path + " has no kind; must be one of sft, grpo, rejection_sft");
    return;
  }
  if (round.kind() != "sft" && recipe.rewards().empty()) {
    reader->AddFault(path, path + " is a " + round.kind() +
                               " round, which needs rewards; add for example 'rewards: [{name: "
                               "last_number}]'");
  }
  if (round.kind() == "grpo" && round.group_size() < 2) {
    reader->AddFault(path + ".group_size",
                     path + ".group_size is " + std::to_string(round.group_size()) +
                         "; must be at least 2 in a grpo round: advantages compare the completions "
                         "of one prompt");
  }
  if (round.kind() == "grpo" && recipe.rollout().temperature() == 0) {
    reader->AddFault("rollout.temperature",
                     "rollout.temperature is 0, which makes all completions "
                     "of a group equal; grpo learns from their differences");
  }
}

void CheckAddresses(const google::protobuf::RepeatedPtrField<std::string>& addresses,
                    const std::string& path, RecipeReader* reader) {
  for (int i = 0; i < addresses.size(); ++i) {
    if (base::IsAddress(addresses[i])) continue;
    reader->AddFault(path + "[" + std::to_string(i) + "]",
                     path + " has '" + addresses[i] + "'; an address is HOST:PORT or unix:PATH");
  }
}

void CheckServices(const proto::Recipe& recipe, RecipeReader* reader) {
  CheckAddresses(recipe.rollout().addresses(), "rollout.addresses", reader);
  CheckAddresses(recipe.rollout().reward_addresses(), "rollout.reward_addresses", reader);
  if (!Samples(recipe)) return;
  const proto::Rollout& rollout = recipe.rollout();
  if (rollout.workers() == 0 && rollout.addresses().empty()) {
    reader->AddFault("rollout.workers",
                     "rollout.workers is 0 and rollout.addresses is empty: nobody would decode");
  }
  if (rollout.reward_services() == 0 && rollout.reward_addresses().empty()) {
    reader->AddFault("rollout.reward_services",
                     "rollout.reward_services is 0 and "
                     "rollout.reward_addresses is empty: nobody would "
                     "grade");
  }
}

}  // namespace

void CheckRecipe(const proto::Recipe& recipe, RecipeReader* reader) {
  CheckName(recipe, reader);
  CheckModel(recipe, reader);
  CheckData(recipe.data(), reader);
  CheckLora(recipe.lora(), reader);
  for (int i = 0; i < recipe.rewards_size(); ++i) CheckRewardTerm(recipe, i, reader);
  if (recipe.rounds().empty()) {
    reader->AddFault("rounds",
                     "rounds is empty; a recipe needs at least one, such as '- {kind: "
                     "sft, steps: 100}'");
  }
  for (int i = 0; i < recipe.rounds_size(); ++i) CheckRound(recipe, i, reader);
  CheckServices(recipe, reader);
}

}  // namespace cohort::rl
