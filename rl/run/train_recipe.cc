#include "rl/run/train_recipe.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "base/temporary_folder.h"
#include "policy/locate_model.h"
#include "policy/lora/peft.h"
#include "rl/checkpoint/provenance.h"
#include "rl/data/demonstration.h"
#include "rl/evaluation/evaluation.h"
#include "rl/fleet/interrupt.h"
#include "rl/learner/learner.h"
#include "rl/objectives/objective.h"
#include "rl/recipe/recipe.h"
#include "rl/recipe/thread_budget.h"
#include "rl/run/grpo_round.h"
#include "rl/run/initial_policy.h"
#include "rl/run/recipe_learner.h"
#include "rl/run/rejection_sft_round.h"
#include "rl/run/reward_trial.h"
#include "rl/run/run_memory.h"
#include "rl/run/sft_round.h"
#include "rl/run/training_run.h"

namespace cohort::rl {
namespace {

// Rows without a demonstration are refused before training starts, not when an sft round meets one.
RowKind TrainingRows(const proto::Recipe& recipe) {
  return HasSftRound(recipe) ? RowKind::kDemonstration : RowKind::kTraining;
}

}  // namespace

ProblemSource::Options ProblemOptions(const proto::Recipe& recipe, const policy::Model& model) {
  const int64_t room = std::max<int64_t>(1, model.config.max_positions - 1);
  const int64_t limit = std::min<int64_t>(recipe.data().max_prompt_tokens(), room);
  ProblemSource::Options options;
  options.seed = recipe.seed();
  options.test_problems = recipe.eval().problems();
  options.training_rows = TrainingRows(recipe);
  // Where rows may be left out, one that an sft round could not learn is, too.
  const bool check =
      options.training_rows == RowKind::kDemonstration && recipe.data().max_unreadable_share() > 0;
  options.encode = [&model, check](Problem problem) {
    const bool learnt = !problem.completion.empty() || problem.last_turn.is_object();
    if (check && learnt) EncodeDemonstration(model, problem);
    return EncodeProblem(model, std::move(problem));
  };
  options.keep = [limit](const EncodedProblem& problem) {
    return !problem.prompt_ids.empty() && static_cast<int64_t>(problem.prompt_ids.size()) <= limit;
  };
  return options;
}

namespace {

std::unique_ptr<Round> MakeRound(RunContext& context, const proto::Objective& objective,
                                 int index) {
  const proto::RoundSpec& spec = context.recipe.rounds(index);
  switch (spec.kind()) {
    case proto::ROUND_KIND_SFT:
      return std::make_unique<SftRound>(context, spec);
    case proto::ROUND_KIND_GRPO:
      return std::make_unique<GrpoRound>(context, spec, objective);
    case proto::ROUND_KIND_REJECTION_SFT:
      return std::make_unique<RejectionSftRound>(context, spec, index);
  }
  return nullptr;
}

Evaluation EvaluateHeldOut(RunContext& context) {
  rollout::Sampling sampling = context.rollouts.sampling();
  const proto::Eval& eval = context.recipe.eval();
  sampling.temperature = eval.temperature();
  if (eval.max_new_tokens() > 0) sampling.max_new_tokens = eval.max_new_tokens();
  return Evaluate(context.rollouts,
                  {context.problems.test(), sampling, DecidingReward(context.recipe),
                   eval.examples(), eval.samples()});
}

// The model that an adapter of the run belongs to, as PEFT looks it up: a folder where a run was
// given.
std::string BaseModel(const proto::Recipe& recipe) {
  const std::string& path = recipe.model().path();
  return std::filesystem::is_directory(path) ? policy::LocateModel(path).string() : path;
}

// The Hugging Face folder of a checkpoint, with PEFT's adapter in it where adapters are trained.
void ExportPolicy(const RunContext& context, const std::filesystem::path& folder) {
  policy::Model exported = context.model;
  const bool keep_mtp = context.recipe.mtp().export_() == proto::Mtp::EXPORT_KEEP;
  exported.weights = keep_mtp ? context.learner.Weights() : context.learner.DecoderWeights();
  if (!keep_mtp) exported.config = policy::WithoutMtpLayers(exported.config);
  policy::SaveModel(exported, folder);
  if (const auto adapter = context.learner.Adapter()) {
    policy::WriteLoraAdapter(*adapter, exported.config, BaseModel(context.recipe),
                             folder / "adapter");
  }
}

void TellUnreadable(const ProblemSource& problems, const RunFolder& folder, Console& console) {
  if (problems.unreadable().empty()) return;
  nlohmann::json files;
  for (const UnreadableRows& rows : problems.unreadable()) {
    console.Warn(rows.Describe());
    files.push_back(rows.ToJson());
  }
  folder.Record("unreadable_rows", files);
}

// Where workers compute in another class than the learner.
void TellOtherNumerics(const proto::Recipe& recipe, const proto::Objective& objective,
                       Console& console) {
  const bool is_fp8 = recipe.optimizer().precision() == proto::Optimizer::PRECISION_FP8;
  if (is_fp8 && objective.is_correction() == proto::Objective::IS_CORRECTION_NONE) {
    console.Note(
        "optimizer.precision is fp8 and the workers decode without it: their logprobs differ from "
        "the learner's by its rounding (logprob_gap_mean); objective.is_correction: token "
        "weighs that up");
  }
  if (!is_fp8 && recipe.rollout().dtype() == proto::Rollout::DTYPE_FLOAT32 &&
      LearnerNumerics(recipe.optimizer()) != kernels::Numerics::kFloat32) {
    console.Warn(
        "optimizer.precision is bfloat16 and rollout.dtype float32: the workers' logprobs differ "
        "from the learner's by its rounding; rollout.dtype: bfloat16 rounds alike");
  }
}

}  // namespace

std::string DescribeRun(const proto::Recipe& recipe) {
  Console console;
  const policy::Model model = InitialPolicyWithoutWeights(recipe);
  ProblemSource problems(recipe.data(), ProblemOptions(recipe, model));
  for (const UnreadableRows& rows : problems.unreadable()) console.Warn(rows.Describe());
  std::string rewards = "rewards: " + std::to_string(recipe.rewards_size()) + ", all of which load";
  if (SamplesCompletions(recipe)) {
    const base::TemporaryFolder logs;
    FleetRollouts judges = JudgesOf(recipe, model, logs.path());
    CheckRewards(TryRewards(judges, model, problems), console);
    rewards += " and judge training rows";
  }
  const auto millions = std::to_string(policy::CountParameters(model.config) / 1'000'000);
  const std::string train = problems.train_size() == 0
                                ? "endless problems of a generator"
                                : std::to_string(problems.train_size()) + " problems";
  return "model: " + model.config.family + " of " + millions + " million parameters, context " +
         std::to_string(model.config.max_positions) + "\ndata: " + train + ", " +
         std::to_string(problems.test().size()) + " held out, " +
         std::to_string(problems.left_out()) + " left out as too long, " +
         std::to_string(problems.held_out_in_train()) + " held out and trained on\n" + rewards +
         "\nthreads: " + Describe(ThreadsOf(recipe));
}

void TrainRecipe(const proto::Recipe& recipe, const RunFolder& folder, const Programs& programs) {
  Console console;
  PrepareLibTorch(ThreadsOf(recipe).learner);
  policy::Model model = InitialPolicy(recipe);
  const proto::Objective objective = ResolveObjective(recipe);
  const std::unique_ptr<Learner> learner = MakeLearner(recipe, &model);
  if (!recipe.lora().adapter().empty()) {
    const policy::LoraConfig lora = learner->Adapter()->config;
    char text[128];
    std::snprintf(text, sizeof(text), ": rank %lld, scale %.6g, dropout %.3g",
                  static_cast<long long>(lora.rank), lora.scale(), lora.dropout);
    console.Note("going on with the adapter " + recipe.lora().adapter() + text);
  }
  ProblemSource problems(recipe.data(), ProblemOptions(recipe, model));
  FleetOptions fleet = ToFleetOptions(recipe);
  fleet.run_id = ReadProvenance(folder.path() / "provenance.json").run_id;
  FleetRollouts rollouts(fleet, model, folder.path(), programs);
  if (problems.left_out() > 0) {
    console.Note(std::to_string(problems.left_out()) +
                 " problems left out: their prompts are longer than data.max_prompt_tokens");
  }

  TellUnreadable(problems, folder, console);
  if (const uint64_t both = problems.held_out_in_train(); both > 0) {
    console.Warn(std::to_string(both) + " of " + std::to_string(problems.test().size()) +
                 " held-out problems are in data.train too: the held-out accuracy tells what was "
                 "memorized");
  }

  if (SamplesCompletions(recipe)) TellOtherNumerics(recipe, objective, console);
  if (SamplesCompletions(recipe)) CheckRewards(TryRewards(rollouts, model, problems), console);
  RunProgress progress;
  RunContext context{recipe, folder, model, problems, rollouts, *learner, console, progress};
  RunParts parts;
  parts.make_round = [&](int index) { return MakeRound(context, objective, index); };
  if (!problems.test().empty()) parts.evaluate = [&] { return EvaluateHeldOut(context); };
  parts.export_model = [&](const std::filesystem::path& to) { ExportPolicy(context, to); };
  parts.interrupted = InterruptRequested;
  TrainingRun(context, std::move(parts)).Run();
}

}  // namespace cohort::rl
