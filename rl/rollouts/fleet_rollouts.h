#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "policy/model.h"
#include "rl/fleet/reward_services.h"
#include "rl/fleet/rollout_workers.h"
#include "rl/recipe/recipe.pb.h"
#include "rl/recipe/thread_budget.h"
#include "rl/rollouts/collector.h"
#include "rl/rollouts/rollouts.h"

namespace cohort::rl {

// Where the programs lie that a run starts: beside this one.
struct Programs {
  std::filesystem::path rollout;
  std::filesystem::path reward;
};
Programs FindPrograms();

struct FleetOptions {
  proto::Rollout rollout;
  std::vector<reward::RewardTerm> rewards;
  uint64_t seed = 0;
  ThreadBudget threads;
  std::string run_id;  // of a run that can be resumed; "": any
  kernels::Numerics numerics = kernels::Numerics::kFloat32;  // of the workers
  bool deterministic = false;
};
FleetOptions ToFleetOptions(const proto::Recipe& recipe);

// Rollouts by the processes that a recipe asks for: local ones, which it starts, and remote ones.
class FleetRollouts final : public Rollouts {
 public:
  // The workers get their weights with the first Publish; a fleet without any judges only. `folder`
  // takes the processes' logs and the config.json that they read. `model` outlives it.
  FleetRollouts(const FleetOptions& options, const policy::Model& model,
                const std::filesystem::path& folder, const Programs& programs);
  ~FleetRollouts() override;

  Publisher& publisher() override { return workers_; }
  CollectedGroups Collect(std::vector<EpisodeGroup> groups,
                          const rollout::Sampling& sampling) override;
  std::vector<EpisodeGroup> Judge(std::vector<EpisodeGroup> groups) override {
    return collector_.Judge(std::move(groups));
  }
  const rollout::Sampling& sampling() const override { return sampling_; }

 private:
  const rollout::Sampling sampling_;
  const rollout::v1::RunStart run_;
  RolloutWorkers workers_;
  RewardServices rewards_;
  SingleTurn environment_;
  Collector collector_;
  uint32_t counted_restarts_ = 0;
};

}  // namespace cohort::rl
