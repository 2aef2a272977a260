#include "rl/evaluation/evaluation.h"

namespace cohort::rl {
namespace {

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Evaluation Evaluate(Rollouts& rollouts, const EvaluationInputs& inputs) {
  std::vector<EpisodeGroup> groups;
  const int count = inputs.samples_per_problem;
  for (size_t i = 0; i < inputs.problems.size(); ++i) {
    const uint64_t first_sample = i * static_cast<uint64_t>(count);
    groups.push_back(NewEpisodeGroup(inputs.problems[i], i, first_sample, count));
  }
  CollectedGroups collected = rollouts.Collect(std::move(groups), inputs.sampling);

  Evaluation result;
  int64_t correct = 0, tokens = 0, truncated = 0, samples = 0;
  for (EpisodeGroup& group : collected.groups) {
    std::vector<JudgedEpisode>& outcome = result.outcomes.emplace_back();
    for (Episode& episode : group.episodes) {
      ++samples;
      tokens += static_cast<int64_t>(episode.completion_ids.size());
      truncated += episode.truncated() ? 1 : 0;
      result.failed += episode.reward_failed() ? 1 : 0;
      outcome.push_back({std::move(episode)});
      result.problems += outcome.back().judged() ? 1 : 0;
      correct += outcome.back().correct() ? 1 : 0;
    }
    if (result.examples.size() < static_cast<size_t>(inputs.num_examples)) {
      const Problem& problem = group.problem->problem;
      result.examples.push_back({problem.prompt, problem.answer, outcome.front().episode.completion,
                                 outcome.front().correct()});
    }
  }
  result.accuracy = Share(correct, result.problems);
  result.completion_tokens = Share(tokens, samples);
  result.truncated = Share(truncated, samples);
  result.wall_s = collected.stats.wall_seconds;
  return result;
}

}  // namespace cohort::rl
