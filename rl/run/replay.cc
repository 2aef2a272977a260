#include "rl/run/replay.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/seconds_since.h"
#include "policy/config/routing_format.h"
#include "rl/checkpoint/checkpoint.h"
#include "rl/journal/entry_reader.h"
#include "rl/journal/journal.h"
#include "rl/objectives/policy_loss.h"
#include "rl/recipe/enum_words.h"
#include "rl/run/grpo_update.h"
#include "rl/run/initial_policy.h"
#include "rl/run/recipe_learner.h"

namespace cohort::rl {
namespace {

using Say = std::function<void(const std::string&)>;
using State = std::map<std::string, at::Tensor>;

bool SameBits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) || (a != a && b != b);
}

// The entry of a step, whole enough to be computed again.
JournalEntry ReplayableEntry(const std::filesystem::path& run_folder, int64_t step) {
  const std::filesystem::path path = JournalFile(run_folder, step);
  if (!std::filesystem::exists(path)) {
    throw Error(
        ErrorCode::kEnvironment,
        "step " + std::to_string(step) + " is not in the journal: there is no " + path.string(),
        "the run has not taken it, wrote no journal (output.journal), or dropped it at "
        "output.journal_mib; journal/ lists what is there");
  }
  JournalEntry entry = ReadEntry(path);
  if (entry.step != step) {
    throw Error(ErrorCode::kEnvironment,
                path.string() + " is the entry of step " + std::to_string(entry.step));
  }
  if (entry.mode != proto::Output::JOURNAL_ALL) {
    throw Error(ErrorCode::kEnvironment,
                "step " + std::to_string(step) + " was journalled with output.journal=" +
                    WordOf(entry.mode) + ", without the ids and logprobs that a replay needs",
                "output.journal=all keeps them in the steps to come");
  }
  return entry;
}

State PolicyOf(const State& state) {
  State policy;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with("policy/")) policy[name] = tensor;
  }
  return policy;
}

// The learner of a run, taken from step to step.
class Replay {
 public:
  Replay(std::filesystem::path run_folder, const Say& say)
      : run_folder_(std::move(run_folder)), say_(say) {}

  // As it was before `step`. Returns the step whose checkpoint that is; 0: the recipe's policy.
  int64_t StartBefore(int64_t step);
  // The updates of an entry, computed again; `advantages` gets its own.
  std::vector<JournalUpdate> Repeat(const JournalEntry& entry,
                                    std::vector<GroupAdvantages>* advantages);
  const proto::Recipe& recipe() const { return recipe_; }
  State Policy() const { return PolicyOf(learner_->SaveState()); }

 private:
  void UseRecipe(const JournalEntry& entry);
  void CheckTokens(int64_t step, const std::vector<TrainingSequence>& sequences) const;

  const std::filesystem::path run_folder_;
  const Say& say_;
  State start_;  // empty: as the recipe makes it
  std::string recipe_file_;
  proto::Recipe recipe_;
  int64_t vocab_size_ = 0;
  policy::RoutingFormat routing_;
  std::unique_ptr<Learner> learner_;
};

int64_t Replay::StartBefore(int64_t step) {
  for (const int64_t candidate : CheckpointSteps(run_folder_)) {
    if (candidate >= step) continue;
    try {
      start_ = ReadCheckpoint(CheckpointFolder(run_folder_, candidate)).state.tensors;
      return candidate;
    } catch (const std::exception& error) {
      say_("warning: the checkpoint of step " + std::to_string(candidate) +
           " is damaged and left out: " + error.what());
    }
  }
  return 0;
}

// A run that went on with changes has several recipes: the learner of the next goes on with the
// state of the one before.
void Replay::UseRecipe(const JournalEntry& entry) {
  if (entry.recipe == recipe_file_) return;
  if (learner_ != nullptr) {
    start_.clear();
    for (const auto& [name, tensor] : learner_->SaveState()) start_[name] = tensor.clone();
  }
  recipe_file_ = entry.recipe;
  recipe_ = ReadJournalRecipe(run_folder_, entry.recipe);
  if (!entry.groups.empty()) recipe_.mutable_rollout()->set_temperature(entry.temperature);
  policy::Model model = InitialPolicy(recipe_);
  vocab_size_ = model.config.vocab_size;
  routing_ = policy::RoutingFormatOf(model.config);
  learner_ = MakeLearner(recipe_, &model);
  if (!start_.empty()) learner_->LoadState(start_);
  start_.clear();
}

void Replay::CheckTokens(int64_t step, const std::vector<TrainingSequence>& sequences) const {
  for (const TrainingSequence& sequence : sequences) {
    const bool known = std::all_of(sequence.ids.begin(), sequence.ids.end(),
                                   [&](int32_t id) { return id >= 0 && id < vocab_size_; });
    if (known && sequence.prompt_length > 0) continue;
    throw Error(ErrorCode::kEnvironment,
                "the entry of step " + std::to_string(step) +
                    " has a sequence without a prompt, or of tokens that the model does not have");
  }
  for (const TrainingSequence& sequence : sequences) {
    if (sequence.prompt_routing == nullptr) continue;
    std::string fault = routing_.FaultOf(*sequence.prompt_routing, sequence.prompt_length);
    const int64_t computed = std::max<int64_t>(0, sequence.completion_length() - 1);
    if (fault.empty()) fault = routing_.FaultOf(sequence.routing, computed);
    if (fault.empty()) continue;
    throw Error(ErrorCode::kEnvironment,
                "the entry of step " + std::to_string(step) + " has " + fault);
  }
}

std::vector<JournalUpdate> Replay::Repeat(const JournalEntry& entry,
                                          std::vector<GroupAdvantages>* advantages) {
  UseRecipe(entry);
  at::set_num_threads(entry.platform.threads);
  if (entry.round < 0 || entry.round >= recipe_.rounds_size()) {
    throw Error(ErrorCode::kEnvironment, "the entry of step " + std::to_string(entry.step) +
                                             " is of a round that its recipe does not have");
  }
  const proto::RoundSpec& spec = recipe_.rounds(entry.round);
  const PolicyObjective objective =
      entry.advantages.empty() ? PolicyObjective{} : MakePolicyObjective(entry.objective);
  learner_->SetRouting(RecipeRouting(recipe_, spec));
  if (entry.step_in_round == 1) {
    learner_->ResetOptimizer();
    learner_->DropReference();
    if (objective.needs_ref_logprobs) learner_->ResetReference();
  }
  advantages->clear();
  if (entry.advantages.empty()) {
    CheckTokens(entry.step, entry.demonstrations);
    std::vector<JournalUpdate> updates;
    for (const JournalUpdate& update : entry.updates) {
      updates.push_back(
          {update.learning_rate, learner_->SftUpdate(entry.demonstrations, update.learning_rate)});
    }
    return updates;
  }
  *advantages = AdvantagesOf(entry.objective, entry.groups);
  std::vector<TrainingSequence> sequences = TrainingSequences(entry.groups, *advantages);
  CheckTokens(entry.step, sequences);
  std::vector<double> learning_rates;
  for (const JournalUpdate& update : entry.updates) learning_rates.push_back(update.learning_rate);
  return GrpoUpdates(*learner_, objective, std::move(sequences), learning_rates);
}

std::vector<ReplayedFigure> Figures(const JournalEntry& entry,
                                    const std::vector<JournalUpdate>& recomputed) {
  std::vector<ReplayedFigure> figures;
  for (size_t i = 0; i < recomputed.size(); ++i) {
    const UpdateReport& old = entry.updates[i].report;
    const UpdateReport& now = recomputed[i].report;
    const std::string update =
        recomputed.size() == 1 ? "" : "update " + std::to_string(i + 1) + ": ";
    figures.push_back({update + "loss", old.loss, now.loss});
    figures.push_back({update + "gradient norm", old.grad_norm, now.grad_norm});
    if (old.policy.gap_tokens + now.policy.gap_tokens == 0) continue;
    figures.push_back({update + "logprob gap", old.policy.gap_mean(), now.policy.gap_mean()});
  }
  return figures;
}

void CompareAdvantages(const JournalEntry& entry, const std::vector<GroupAdvantages>& recomputed,
                       ReplayReport* report) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  for (size_t g = 0; g < recomputed.size(); ++g) {
    for (size_t i = 0; i < recomputed[g].size(); ++i) {
      ++report->samples;
      report->advantages += recomputed[g][i].has_value() ? 1 : 0;
      const ReplayedFigure advantage{
          "advantage of sample " + std::to_string(entry.groups[g].episodes[i].sample_id),
          entry.advantages[g][i].value_or(kNone), recomputed[g][i].value_or(kNone)};
      if (advantage.equal()) continue;
      if (report->differing_advantages++ == 0) report->differing_advantage = advantage;
    }
  }
  report->samples += static_cast<int64_t>(entry.demonstrations.size());
}

bool AllEqual(const std::vector<ReplayedFigure>& figures) {
  for (const ReplayedFigure& figure : figures) {
    if (!figure.equal()) return false;
  }
  return true;
}

std::vector<std::string> PlatformChanges(const Platform& recorded, const Platform& here) {
  std::vector<std::string> changes;
  const auto compare = [&](const char* what, const std::string& before, const std::string& now) {
    if (before != now) changes.push_back(std::string(what) + ": " + before + ", here " + now);
  };
  compare("processor", recorded.processor, here.processor);
  compare("threads", std::to_string(recorded.threads), std::to_string(here.threads));
  compare("cohort", recorded.version, here.version);
  compare("LibTorch", recorded.libtorch, here.libtorch);
  return changes;
}

std::optional<bool> WeightsAreThoseOf(const std::filesystem::path& checkpoint, const State& own,
                                      const Say& say) {
  if (!std::filesystem::exists(checkpoint)) return std::nullopt;
  try {
    const State saved = PolicyOf(ReadCheckpoint(checkpoint).state.tensors);
    for (const auto& [name, tensor] : own) {
      const auto found = saved.find(name);
      if (found == saved.end() || !at::equal(found->second, tensor)) return false;
    }
    return saved.size() == own.size();
  } catch (const std::exception& error) {
    say("warning: " + checkpoint.string() +
        " is damaged, its weights are not compared: " + error.what());
    return std::nullopt;
  }
}

}  // namespace

bool ReplayedFigure::equal() const { return SameBits(recorded, recomputed); }

bool ReplayReport::equal() const {
  return differing_advantages == 0 && AllEqual(figures) && weights_equal.value_or(true);
}

ReplayReport ReplayStep(const std::filesystem::path& run_folder, int64_t step, const Say& say) {
  if (!std::filesystem::exists(JournalFolder(run_folder))) {
    throw Error(ErrorCode::kEnvironment, run_folder.string() + " has no journal/",
                "it is no run folder, or that of a run with output.journal=off");
  }
  const JournalEntry entry = ReplayableEntry(run_folder, step);
  PrepareLibTorch(entry.platform.threads);  // before the first tensor
  ReplayReport report;
  report.step = step;
  report.round = entry.round + 1;
  report.platform_changes = PlatformChanges(entry.platform, ThisPlatform());
  for (const std::string& change : report.platform_changes) {
    say("warning: the step was computed elsewhere, so that its bits may differ (" + change + ")");
  }
  Replay replay(run_folder, say);
  report.start = replay.StartBefore(step);
  const int64_t between = step - 1 - report.start;
  // Looked at before anything is computed: the first may be hours from the last.
  for (int64_t earlier = report.start + 1; earlier < step; ++earlier) {
    ReplayableEntry(run_folder, earlier);
  }
  if (between > 0) {
    say("there is no checkpoint of step " + std::to_string(step - 1) + ": repeating steps " +
        std::to_string(report.start + 1) + " to " + std::to_string(step - 1) + " first, from " +
        (report.start > 0 ? "the checkpoint of step " + std::to_string(report.start)
                          : std::string("the start of the run")));
  }
  std::vector<GroupAdvantages> advantages;
  auto told = std::chrono::steady_clock::now();
  for (int64_t earlier = report.start + 1; earlier < step; ++earlier) {
    if (base::SecondsSince(told) > 10) {
      told = std::chrono::steady_clock::now();
      say("at step " + std::to_string(earlier) + " of " + std::to_string(step));
    }
    const JournalEntry before = ReplayableEntry(run_folder, earlier);
    const bool equal = AllEqual(Figures(before, replay.Repeat(before, &advantages)));
    if (equal || report.diverged_at.has_value()) continue;
    report.diverged_at = earlier;
    say("warning: step " + std::to_string(earlier) +
        " comes out otherwise than recorded; what follows cannot be equal");
  }
  report.figures = Figures(entry, replay.Repeat(entry, &advantages));
  report.kind = WordOf(replay.recipe().rounds(entry.round).kind());
  CompareAdvantages(entry, advantages, &report);
  report.weights_equal =
      WeightsAreThoseOf(CheckpointFolder(run_folder, step), replay.Policy(), say);
  return report;
}

}  // namespace cohort::rl
