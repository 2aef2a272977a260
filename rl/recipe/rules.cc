#include "rl/recipe/rules.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/listen.h"
#include "base/nearest_name.h"
#include "reward/registry.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

class RecipeCheck {
 public:
  explicit RecipeCheck(const proto::Recipe& recipe) : recipe_(recipe) {}
  std::vector<RecipeFault> Run();

 private:
  void Add(std::string path, std::string what) {
    faults_.push_back({std::move(path), std::move(what)});
  }
  bool Samples() const;
  void CheckName();
  void CheckExperts(const proto::Scratch& scratch);
  void CheckGroupedQueryAttention(const proto::Scratch& scratch);
  void CheckScratch(const proto::Scratch& scratch);
  void CheckModel();
  void CheckData(const proto::Data& data);
  void CheckLora(const proto::Lora& lora);
  void CheckRewardTerm(int index);
  void CheckTemperature(const std::string& key, double temperature);
  void CheckEval(const proto::Eval& eval);
  void CheckRound(int index);
  void CheckAddresses(const google::protobuf::RepeatedPtrField<std::string>& addresses,
                      const std::string& path);
  void CheckServices();
  void CheckAgreement();

  const proto::Recipe& recipe_;
  std::vector<RecipeFault> faults_;
};

bool RecipeCheck::Samples() const {
  for (const proto::RoundSpec& round : recipe_.rounds()) {
    if (round.kind() != proto::ROUND_KIND_SFT) return true;
  }
  return false;
}

void RecipeCheck::CheckName() {
  const std::string& name = recipe_.name();
  const bool plain =
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
      std::string::npos;
  if (!name.empty() && (!plain || name.starts_with('.'))) {
    Add("name", "name '" + name +
                    "' names a folder; use letters, digits, '.', '_' and '-', with a "
                    "letter or digit first");
  }
}

void RecipeCheck::CheckExperts(const proto::Scratch& scratch) {
  const std::string base = "model.scratch.";
  const auto number = [](int64_t n) { return std::to_string(n); };
  if (scratch.experts_per_token() > scratch.experts()) {
    Add(base + "experts_per_token",
        base + "experts_per_token is " + number(scratch.experts_per_token()) +
            "; must be at most experts (" + number(scratch.experts()) + ")");
  }
  const int size = scratch.experts() / scratch.groups();  // of a group
  if (scratch.experts() % scratch.groups() != 0 || (scratch.groups() > 1 && size < 2)) {
    Add(base + "groups", base + "groups (" + number(scratch.groups()) + ") must divide experts (" +
                             number(scratch.experts()) + ") into groups of at least 2");
  } else if (scratch.groups_per_token() > scratch.groups() ||
             scratch.experts_per_token() > int64_t{size} * scratch.groups_per_token()) {
    Add(base + "groups_per_token",
        base + "groups_per_token is " + number(scratch.groups_per_token()) +
            "; must be at most groups (" + number(scratch.groups()) + ") and leave a token its " +
            number(scratch.experts_per_token()) + " experts out of groups of " + number(size));
  }
}

void RecipeCheck::CheckGroupedQueryAttention(const proto::Scratch& scratch) {
  const std::string base = "model.scratch.";
  if (scratch.heads() % scratch.kv_heads() != 0) {
    Add(base + "kv_heads", base + "heads (" + std::to_string(scratch.heads()) +
                               ") must be a multiple of kv_heads (" +
                               std::to_string(scratch.kv_heads()) + ")");
  }
  if (scratch.width() % scratch.heads() != 0 || scratch.width() / scratch.heads() % 2 != 0) {
    Add(base + "width", base + "width (" + std::to_string(scratch.width()) +
                            ") divided by heads (" + std::to_string(scratch.heads()) +
                            ") must be an even whole number");
  }
}

void RecipeCheck::CheckScratch(const proto::Scratch& scratch) {
  const std::string base = "model.scratch.";
  if (scratch.experts() > 0) CheckExperts(scratch);
  if (scratch.kv_lora_rank() == 0) {
    CheckGroupedQueryAttention(scratch);
    return;
  }
  if (scratch.experts() == 0) {
    Add(base + "experts", base +
                              "experts is 0; latent attention (kv_lora_rank) comes "
                              "with the experts of a DeepSeek-V3");
  }
  if (scratch.qk_rope_head_dim() % 2 != 0) {
    Add(base + "qk_rope_head_dim", base + "qk_rope_head_dim is " +
                                       std::to_string(scratch.qk_rope_head_dim()) +
                                       "; must be even");
  }
}

void RecipeCheck::CheckModel() {
  const proto::Model& model = recipe_.model();
  const bool has_path = !model.path().empty();
  if (has_path == model.has_scratch()) {
    Add("model", std::string("model needs exactly one of path (a model to load) and "
                             "scratch (the shape of a new one); it has ") +
                     (has_path ? "both" : "neither"));
  }
  if (model.has_upcycle() && model.upcycle().top_k() > model.upcycle().experts()) {
    Add("model.upcycle.top_k", "model.upcycle.top_k is " + std::to_string(model.upcycle().top_k()) +
                                   "; must be at most experts (" +
                                   std::to_string(model.upcycle().experts()) + ")");
  }
  if (!model.has_scratch()) return;
  if (model.has_upcycle()) {
    Add("model.upcycle", "model.upcycle needs model.path, a dense model to start from");
  }
  CheckScratch(model.scratch());
  if (recipe_.data().chat()) {
    Add("data.chat",
        "data.chat needs a model with a chat template; a model from "
        "scratch has none");
  }
  if (Samples() && recipe_.rollout().max_new_tokens() >= model.scratch().context()) {
    Add("rollout.max_new_tokens", "rollout.max_new_tokens (" +
                                      std::to_string(recipe_.rollout().max_new_tokens()) +
                                      ") leaves no room for a prompt in model.scratch.context (" +
                                      std::to_string(model.scratch().context()) + " tokens)");
  }
}

void RecipeCheck::CheckData(const proto::Data& data) {
  const bool has_train = !data.train().empty();
  if (has_train == data.has_generator()) {
    Add("data", std::string("data needs exactly one of train (a JSON-lines file) and "
                            "generator; it has ") +
                    (has_train ? "both" : "neither") +
                    (has_train ? "" : ", add data.train=FILE.jsonl"));
  }
  if (data.has_generator() && !data.test().empty()) {
    Add("data.test",
        "data.test cannot be used with data.generator, which holds out "
        "its own problems");
  }
}

void RecipeCheck::CheckLora(const proto::Lora& lora) {
  if (!recipe_.optimizer().masters() && (lora.rank() > 0 || !lora.adapter().empty())) {
    Add("optimizer.masters",
        "optimizer.masters is false, which keeps trained weights in bfloat16 alone; adapters "
        "(lora.*) are few and have masters: leave one of the two out");
  }
  if (!lora.adapter().empty()) return;  // which has them all; rl/run/recipe_adapter.h
  if (lora.rank() > 0 && lora.targets().empty()) {
    Add("lora",
        "lora.targets is empty; name linear layers, such as [q_proj, v_proj], or "
        "[all-linear]");
  }
  if (lora.rank() == 0 && !lora.targets().empty()) {
    Add("lora", "lora.targets needs a lora.rank of 1 or more, such as 16");
  }
  if (lora.rank() == 0 && lora.base() != proto::Lora::BASE_FLOAT32) {
    Add("lora.base",
        "lora.base is of what adapters leave as it is, and there are none: give lora.rank and "
        "lora.targets, or lora.adapter");
  }
  if (lora.rank() == 0 && lora.targets().empty() &&
      (lora.rank_stabilised() || lora.dropout() > 0)) {
    Add("lora",
        "lora.rank_stabilised and lora.dropout are of adapters, and there are none: give lora.rank "
        "and lora.targets, or lora.adapter");
  }
}

void RecipeCheck::CheckRewardTerm(int index) {
  const reward::RewardTerm& term = recipe_.rewards(index);
  const std::string path = "rewards[" + std::to_string(index) + "]";
  if (term.name().empty()) {
    Add(path, path + " has no name");
    return;
  }
  try {
    reward::CheckReward(term.name(), {term.options().begin(), term.options().end()});
  } catch (const Error& error) {
    const std::string hint = error.hint().empty() ? "" : "; " + error.hint();
    Add(path + ".name", error.what() + hint);
  }
}

void RecipeCheck::CheckTemperature(const std::string& key, double temperature) {
  constexpr double kLeast = 0.001;  // rollout/request.h
  if (temperature > 0 && temperature < kLeast) {
    Add(key, key + " is too small; give 0 (greedy) or at least 0.001");
  }
}

void RecipeCheck::CheckEval(const proto::Eval& eval) {
  CheckTemperature("eval.temperature", eval.temperature());
  CheckTemperature("rollout.temperature", recipe_.rollout().temperature());
  std::vector<std::string> names;
  bool known = eval.reward().empty();
  for (const reward::RewardTerm& term : recipe_.rewards()) {
    names.push_back(term.name());
    known = known || term.name() == eval.reward();
  }
  if (!known) {
    Add("eval.reward", "eval.reward is '" + eval.reward() + "', which is none of the rewards (" +
                           base::CommaSeparated(names) + ")" +
                           base::DidYouMean(eval.reward(), names));
  }
  if (eval.samples() > 1 && eval.temperature() == 0) {
    Add("eval.temperature",
        "eval.temperature is 0, which makes all eval.samples of a problem equal; set it to 0.6 or "
        "so");
  }
}

void RecipeCheck::CheckRound(int index) {
  const proto::RoundSpec& round = recipe_.rounds(index);
  const std::string path = "rounds[" + std::to_string(index) + "]";
  if (!round.has_kind()) {
    Add(path, path + " has no kind; must be one of sft, grpo, rejection_sft");
    return;
  }
  if (round.kind() != proto::ROUND_KIND_SFT && recipe_.rewards().empty()) {
    Add(path, path + " is a " + WordOf(round.kind()) +
                  " round, which needs rewards; add for example 'rewards: [{name: "
                  "last_number}]'");
  }
  if (round.kind() == proto::ROUND_KIND_GRPO && round.group_size() < 2) {
    Add(path + ".group_size",
        path + ".group_size is " + std::to_string(round.group_size()) +
            "; must be at least 2 in a grpo round: advantages compare the completions "
            "of one prompt");
  }
  if (round.kind() == proto::ROUND_KIND_GRPO && recipe_.rollout().temperature() == 0) {
    Add("rollout.temperature",
        "rollout.temperature is 0, which makes all completions "
        "of a group equal; grpo learns from their differences");
  }
}

void RecipeCheck::CheckAddresses(const google::protobuf::RepeatedPtrField<std::string>& addresses,
                                 const std::string& path) {
  for (int i = 0; i < addresses.size(); ++i) {
    if (base::IsAddress(addresses[i])) continue;
    Add(path + "[" + std::to_string(i) + "]",
        path + " has '" + addresses[i] + "'; an address is HOST:PORT or unix:PATH");
  }
}

void RecipeCheck::CheckServices() {
  CheckAddresses(recipe_.rollout().addresses(), "rollout.addresses");
  CheckAddresses(recipe_.rollout().reward_addresses(), "rollout.reward_addresses");
  if (!Samples()) return;
  const proto::Rollout& rollout = recipe_.rollout();
  if (rollout.workers() == 0 && rollout.addresses().empty()) {
    Add("rollout.workers",
        "rollout.workers is 0 and rollout.addresses is empty: nobody would decode");
  }
  if (rollout.reward_services() == 0 && rollout.reward_addresses().empty()) {
    Add("rollout.reward_services",
        "rollout.reward_services is 0 and "
        "rollout.reward_addresses is empty: nobody would "
        "grade");
  }
}

// What would keep the two engines from computing the same.
void RecipeCheck::CheckAgreement() {
  const proto::Model& model = recipe_.model();
  if (recipe_.rollout().routing_replay() && model.has_scratch() && model.scratch().experts() == 0) {
    Add("rollout.routing_replay",
        "rollout.routing_replay is of a mixture of experts, and model.scratch.experts is 0");
  }
  if (!recipe_.deterministic() || !Samples()) return;
  const bool halves = recipe_.rollout().dtype() == proto::Rollout::DTYPE_BFLOAT16;
  if (halves != (recipe_.optimizer().precision() == proto::Optimizer::PRECISION_BFLOAT16)) {
    Add("deterministic",
        "deterministic needs workers and learner that multiply alike; "
        "rollout.dtype is " +
            WordOf(recipe_.rollout().dtype()) + " and optimizer.precision " +
            WordOf(recipe_.optimizer().precision()));
  }
  if (recipe_.lora().rank() > 0 || !recipe_.lora().adapter().empty()) {
    Add("deterministic",
        "deterministic does not go with lora: a worker's weights have the adapters added, the "
        "learner computes them apart, and both round");
  }
}

std::vector<RecipeFault> RecipeCheck::Run() {
  CheckName();
  CheckModel();
  CheckData(recipe_.data());
  CheckLora(recipe_.lora());
  for (int i = 0; i < recipe_.rewards_size(); ++i) CheckRewardTerm(i);
  if (recipe_.rounds().empty()) {
    Add("rounds",
        "rounds is empty; a recipe needs at least one, such as '- {kind: sft, steps: 100}'");
  }
  for (int i = 0; i < recipe_.rounds_size(); ++i) CheckRound(i);
  CheckEval(recipe_.eval());
  CheckServices();
  CheckAgreement();
  // One fault that several rounds have is told once.
  const auto same = [](const RecipeFault& a, const RecipeFault& b) {
    return a.path == b.path && a.what == b.what;
  };
  for (size_t i = 0; i < faults_.size(); ++i) {
    faults_.erase(std::remove_if(faults_.begin() + static_cast<ptrdiff_t>(i) + 1, faults_.end(),
                                 [&](const RecipeFault& later) { return same(faults_[i], later); }),
                  faults_.end());
  }
  return std::move(faults_);
}

}  // namespace

std::vector<RecipeFault> CheckRecipe(const proto::Recipe& recipe) {
  return RecipeCheck(recipe).Run();
}

}  // namespace cohort::rl
