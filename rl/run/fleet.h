#pragma once

// The sampling side of a run as the rounds see it: workers that hold the current policy, services
// that judge, and a collector that drives both.

#include <filesystem>
#include <memory>

#include "policy/model.h"
#include "rl/evaluation/evaluation.h"
#include "rl/fleet/worker_pool.h"
#include "rl/recipe/recipe.pb.h"
#include "rl/rollouts/collector.h"

namespace cohort::rl {

// Where the programs lie that a run starts: beside this one.
struct Programs {
  std::filesystem::path rollout;
  std::filesystem::path reward;
};
Programs FindPrograms();

// Owned by one thread.
class Fleet {
 public:
  // Starts the processes; they get their weights with the first Publish. `folder` takes their logs
  // and the config.json that they read.
  Fleet(const proto::Recipe& recipe, const policy::Model& model,
        const std::filesystem::path& folder, const Programs& programs);

  // Does nothing when the workers already hold `version`. Returns the seconds it took.
  double Publish(const policy::WeightMap& weights, int64_t version);

  std::vector<Group> Collect(std::vector<PromptTask> tasks, CollectStats* stats);
  // Greedy at temperature 0; with more samples a problem, accuracy is their mean.
  Evaluation Evaluate(const std::vector<Problem>& problems, double temperature = 0,
                      int samples_per_problem = 1);

  const rollout::Sampling& sampling() const { return sampling_; }
  uint32_t restarts() const { return pool_.restarts(); }

 private:
  const proto::Recipe& recipe_;
  const policy::Model& model_;
  rollout::Sampling sampling_;
  std::vector<reward::RewardTerm> terms_;
  WorkerPool pool_;
  std::unique_ptr<Collector> collector_;
  int64_t published_version_ = 0;
  uint32_t counted_restarts_ = 0;
};

}  // namespace cohort::rl
