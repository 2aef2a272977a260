#pragma once

// The parts of a run besides processes: a recipe, a policy of a few thousand weights, a run folder.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "rl/learner/learner.h"
#include "rl/recipe/recipe.h"
#include "rl/run/initial_policy.h"
#include "rl/run/run_context.h"
#include "tests/fakes/fake_rollouts.h"

namespace cohort::rl {

// `rounds`: the recipe's list, as YAML. The policy reads and writes bytes.
inline proto::Recipe TinyRecipe(const std::string& rounds,
                                const std::vector<std::string>& overrides = {}) {
  const base::TemporaryFolder folder;
  return LoadRecipe(folder.Write("tiny.yaml",
                                 "name: tiny\n"
                                 "seed: 5\n"
                                 "model:\n"
                                 "  scratch: {layers: 1, width: 16, heads: 2, "
                                 "kv_heads: 1, ffn_width: 16, experts: 0, context: "
                                 "64}\n"
                                 "data: {generator: addition}\n"
                                 "rewards: [{name: exact_answer}]\n"
                                 "objective: {preset: dr_grpo}\n"
                                 "rollout: {max_new_tokens: 8}\n"
                                 "eval: {problems: 2}\n"
                                 "rounds: " +
                                     rounds + "\n"),
                    overrides);
}

// One process's life with a run: destroyed and made anew over the same folder, it resumes.
class RunFixture {
 public:
  RunFixture(const std::filesystem::path& folder_path, proto::Recipe its_recipe,
             const ResumeOptions& options = {})
      : recipe(std::move(its_recipe)),
        folder(folder_path, recipe, options),
        model(InitialPolicy(recipe)),
        learner(model.config, std::exchange(model.weights, {}), RecipeLearnerOptions(recipe)),
        problems(recipe.data(), Options(recipe, model)) {
    folder.Describe(recipe, {"test"});
  }

  std::vector<int32_t> Encode(const std::string& text) const {
    return model.tokenizer->Encode(text);
  }

  const proto::Recipe recipe;
  RunFolder folder;
  policy::Model model;
  Learner learner;
  ProblemSource problems;
  // Fills in the `index`-th episode of a group.
  std::function<void(const EpisodeGroup& group, size_t index, Episode* episode)> script;
  FakeRollouts rollouts{[this](const EpisodeGroup& group, Episode* episode) {
    script(group, static_cast<size_t>(episode - group.episodes.data()), episode);
  }};
  Console console{/*terminal=*/false, /*color=*/false, 80};
  RunProgress progress;
  RunContext context{recipe, folder, model, problems, rollouts, learner, console, progress};

 private:
  static ProblemSource::Options Options(const proto::Recipe& recipe, const policy::Model& model) {
    ProblemSource::Options options;
    options.seed = recipe.seed();
    options.training_rows = RowKind::kDemonstration;
    options.encode = [&model](Problem problem) { return EncodeProblem(model, std::move(problem)); };
    return options;
  }
};

}  // namespace cohort::rl
