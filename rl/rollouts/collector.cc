#include "rl/rollouts/collector.h"

#include "rl/rollouts/collect_run.h"

namespace cohort::rl {

Collector::Collector(WorkerPool& pool, const CollectorOptions& options,
                     std::function<std::string(std::span<const int32_t>)> detokenize)
    : pool_(pool), options_(options), detokenize_(std::move(detokenize)) {}

std::vector<Group> Collector::Collect(std::vector<PromptTask> tasks,
                                      const rollout::Sampling& sampling,
                                      const std::vector<reward::RewardTerm>& terms,
                                      CollectStats* stats) {
  CollectRun run(pool_, {options_, sampling, terms, detokenize_}, std::move(tasks));
  return run.Run(stats);
}

}  // namespace cohort::rl
