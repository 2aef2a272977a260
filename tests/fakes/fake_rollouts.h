#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "rl/rollouts/rollouts.h"

namespace cohort::rl {

// Notes what is published.
class FakePublisher final : public Publisher {
 public:
  void Publish(int64_t version, const std::function<PublishedPolicy()>& policy) override {
    if (version == version_) return;
    if (fail) fail(version);
    policy();
    version_ = version;
    published.push_back(version);
    if (on_publish) on_publish(version);
  }
  int64_t published_version() const override { return version_; }
  int64_t published_bytes() const override { return 12; }

  std::vector<int64_t> published;
  std::function<void(int64_t version)> fail;  // throws what a Publish is to throw
  std::function<void(int64_t version)> on_publish;

 private:
  int64_t version_ = 0;
};

// Rollouts without processes: `play` fills in each episode.
class FakeRollouts final : public Rollouts {
 public:
  using Play = std::function<void(const EpisodeGroup& group, Episode* episode)>;

  explicit FakeRollouts(Play play) : play_(std::move(play)) {}

  FakePublisher& publisher() override { return publisher_; }
  const rollout::Sampling& sampling() const override { return sampling_; }
  CollectedGroups Collect(std::vector<EpisodeGroup> groups,
                          const rollout::Sampling& sampling) override {
    asked.push_back(sampling);
    CollectedGroups collected{std::move(groups), {}};
    for (EpisodeGroup& group : collected.groups) {
      for (Episode& episode : group.episodes) {
        episode.policy_version = publisher_.published_version();
        play_(group, &episode);
        collected.stats.completion_tokens += episode.completion_ids.size();
      }
    }
    return collected;
  }

  std::vector<EpisodeGroup> Judge(std::vector<EpisodeGroup> groups) override {
    for (EpisodeGroup& group : groups) {
      for (Episode& episode : group.episodes) play_(group, &episode);
    }
    return groups;
  }

  std::vector<rollout::Sampling> asked;  // of each Collect

 private:
  Play play_;
  FakePublisher publisher_;
  rollout::Sampling sampling_;
};

// A verdict of one reward.
inline reward::Verdict Graded(double score) {
  reward::Verdict verdict;
  verdict.set_status(reward::STATUS_OK);
  verdict.set_score(score);
  reward::Component& component = *verdict.add_components();
  component.set_name("fake");
  component.set_status(reward::STATUS_OK);
  component.set_score(score);
  return verdict;
}

inline reward::Verdict FailedVerdict(reward::Status status, const std::string& detail) {
  reward::Verdict verdict;
  verdict.set_status(status);
  verdict.set_detail(detail);
  reward::Component& component = *verdict.add_components();
  component.set_name("fake");
  component.set_status(status);
  component.set_detail(detail);
  return verdict;
}

}  // namespace cohort::rl
