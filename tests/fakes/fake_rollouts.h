#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "rl/rollouts/rollouts.h"
#include "tests/fakes/fake_publisher.h"

namespace cohort::rl {

// A verdict of one reward named "fake".
inline reward::Verdict FakeVerdict(double score, reward::Status status = reward::STATUS_OK) {
  reward::Verdict verdict;
  verdict.set_score(score);
  verdict.set_status(status);
  reward::Component& component = *verdict.add_components();
  component.set_name("fake");
  component.set_score(score);
  component.set_status(status);
  return verdict;
}

// Completions and verdicts as a test scripts them, at once and without any process.
class FakeRollouts final : public Rollouts {
 public:
  // Fills in the `index`-th episode of a group.
  using Script = std::function<void(const EpisodeGroup& group, size_t index, Episode* episode)>;

  Publisher& publisher() override { return workers; }
  CollectedGroups Collect(std::vector<EpisodeGroup> groups,
                          const rollout::Sampling& sampling) override {
    samplings.push_back(sampling);
    CollectedGroups collected;
    for (EpisodeGroup& group : groups) {
      for (size_t i = 0; i < group.episodes.size(); ++i) {
        Episode& episode = group.episodes[i];
        episode.policy_version = workers.published_version();
        script(group, i, &episode);
        collected.stats.completion_tokens += episode.completion_ids.size();
      }
    }
    collected.groups = std::move(groups);
    return collected;
  }
  const rollout::Sampling& sampling() const override { return recipe_sampling; }

  Script script = [](const EpisodeGroup&, size_t, Episode* episode) {
    episode->verdict = FakeVerdict(0);
  };
  FakePublisher workers;
  rollout::Sampling recipe_sampling;
  std::vector<rollout::Sampling> samplings;  // one a Collect
};

}  // namespace cohort::rl
