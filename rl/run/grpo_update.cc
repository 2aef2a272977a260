#include "rl/run/grpo_update.h"

#include <iterator>
#include <optional>
#include <utility>

namespace cohort::rl {

std::vector<GroupAdvantages> AdvantagesOf(const proto::Objective& objective,
                                          const std::vector<EpisodeGroup>& groups) {
  std::vector<GroupAdvantages> advantages;
  for (const EpisodeGroup& group : groups) {
    std::vector<std::optional<double>> rewards;
    for (const Episode& episode : group.episodes) rewards.push_back(episode.reward());
    advantages.push_back(ComputeAdvantages(objective, rewards));
  }
  return advantages;
}

std::vector<TrainingSequence> TrainingSequences(const std::vector<EpisodeGroup>& groups,
                                                const std::vector<GroupAdvantages>& advantages) {
  std::vector<TrainingSequence> sequences;
  for (size_t g = 0; g < groups.size(); ++g) {
    const std::vector<int32_t>& prompt_ids = groups[g].problem->prompt_ids;
    for (size_t i = 0; i < groups[g].episodes.size(); ++i) {
      if (!advantages[g][i].has_value()) continue;
      const Episode& episode = groups[g].episodes[i];
      TrainingSequence& sequence = sequences.emplace_back();
      sequence.ids = prompt_ids;
      sequence.prompt_length = static_cast<int64_t>(prompt_ids.size());
      sequence.ids.insert(sequence.ids.end(), episode.completion_ids.begin(),
                          episode.completion_ids.end());
      sequence.rollout_logprobs = episode.rollout_logprobs;
      sequence.prompt_routing = groups[g].prompt_routing;
      sequence.routing = episode.routing;
      sequence.advantage = *advantages[g][i];
    }
  }
  MarkCommonPrompts(sequences);
  return sequences;
}

std::vector<JournalUpdate> GrpoUpdates(Learner& learner, const PolicyObjective& objective,
                                       std::vector<TrainingSequence> sequences,
                                       std::span<const double> learning_rates) {
  const size_t parts = learning_rates.size();
  if (objective.needs_ref_logprobs) learner.RecordRefLogprobs(sequences);
  // The first slice sees the policy that the batch started from, unless dropout hides it; the later
  // ones need to know it.
  const size_t known = learner.drops_inputs() ? 0 : sequences.size() / parts;
  learner.RecordOldLogprobs(objective, std::span(sequences).subspan(known));
  std::vector<JournalUpdate> updates;
  for (size_t part = 0; part < parts; ++part) {
    const auto at = [&](size_t k) {
      return std::make_move_iterator(sequences.begin() +
                                     static_cast<ptrdiff_t>(sequences.size() * k / parts));
    };
    const std::vector<TrainingSequence> slice(at(part), at(part + 1));
    updates.push_back(
        {learning_rates[part], learner.PolicyUpdate(objective, slice, learning_rates[part])});
  }
  return updates;
}

}  // namespace cohort::rl
