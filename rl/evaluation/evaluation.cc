#include "rl/evaluation/evaluation.h"

#include <utility>

#include "reward/registry.h"

namespace cohort::rl {
namespace {

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

Estimate IntervalOf(const std::vector<std::vector<JudgedEpisode>>& outcomes) {
  std::vector<Verdicts> problems;
  for (const std::vector<JudgedEpisode>& outcome : outcomes) {
    Verdicts& verdicts = problems.emplace_back();
    for (const JudgedEpisode& sample : outcome) {
      if (sample.judged()) verdicts.push_back(sample.correct());
    }
  }
  return PassAtOne(problems);
}

}  // namespace

std::string DecidingReward(const proto::Recipe& recipe) {
  if (!recipe.eval().reward().empty()) return recipe.eval().reward();
  for (const reward::RewardTerm& term : recipe.rewards()) {
    if (reward::JudgesAnswer(term.name())) return term.name();
  }
  return recipe.rewards().empty() ? "" : recipe.rewards(0).name();
}

Evaluation Evaluate(Rollouts& rollouts, const EvaluationInputs& inputs) {
  std::vector<EpisodeGroup> groups;
  const int count = inputs.samples_per_problem;
  for (size_t i = 0; i < inputs.problems.size(); ++i) {
    const uint64_t first_sample = i * static_cast<uint64_t>(count);
    groups.push_back(NewEpisodeGroup(inputs.problems[i], i, first_sample, count));
  }
  CollectedGroups collected = rollouts.Collect(std::move(groups), inputs.sampling);

  Evaluation result;
  result.reward = inputs.reward;
  int64_t correct = 0, tokens = 0, truncated = 0, samples = 0;
  for (EpisodeGroup& group : collected.groups) {
    std::vector<JudgedEpisode>& outcome = result.outcomes.emplace_back();
    for (Episode& episode : group.episodes) {
      ++samples;
      tokens += static_cast<int64_t>(episode.completion_ids.size());
      truncated += episode.truncated() ? 1 : 0;
      if (episode.reward_failed() && result.failed++ == 0) {
        result.first_failure = DescribeVerdict(episode.verdict);
      }
      for (const reward::Component& component : episode.verdict.components()) {
        if (const auto score = ComponentScore(component)) {
          result.components[component.name()].Add(*score);
        }
      }
      outcome.push_back({std::move(episode), inputs.reward});
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
  result.interval = IntervalOf(result.outcomes);
  result.completion_tokens = Share(tokens, samples);
  result.truncated = Share(truncated, samples);
  result.wall_s = collected.stats.wall_seconds;
  return result;
}

}  // namespace cohort::rl
