#include "rl/rollouts/episode.h"

#include <cmath>
#include <utility>

namespace cohort::rl {

EpisodeGroup NewEpisodeGroup(std::shared_ptr<const EncodedProblem> problem, uint64_t group_id,
                             uint64_t first_sample_id, int group_size) {
  EpisodeGroup group{group_id, std::move(problem), {}};
  group.episodes.resize(static_cast<size_t>(group_size));
  for (Episode& episode : group.episodes) episode.sample_id = first_sample_id++;
  return group;
}

std::optional<double> ComponentScore(const reward::Component& component) {
  const bool scored = component.status() == reward::STATUS_OK && std::isfinite(component.score());
  return scored ? std::optional(component.score()) : std::nullopt;
}

const reward::Component* FindComponent(const reward::Verdict& verdict, const std::string& name) {
  for (const reward::Component& component : verdict.components()) {
    if (name.empty() || component.name() == name) return &component;
  }
  return nullptr;
}

std::string DescribeVerdict(const reward::Verdict& verdict) {
  if (verdict.status() == reward::STATUS_OK) return verdict.detail();
  const std::string name = reward::Status_Name(verdict.status());
  return (name.starts_with("STATUS_") ? name.substr(7) : "UNKNOWN") + ": " + verdict.detail();
}

}  // namespace cohort::rl
