#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rl/rollouts/episode.h"

namespace cohort::rl {

// An episode as an evaluation reads it: the first reward is the one that says right or wrong.
struct JudgedEpisode {
  Episode episode;
  int64_t answer_group = -1;  // rl/evaluation/answer_groups.h

  const reward::Component* first_reward() const {
    const auto& components = episode.verdict.components();
    return components.empty() ? nullptr : &components[0];
  }
  // False: the grader failed; neither right nor wrong.
  bool judged() const {
    const reward::Component* const first = first_reward();
    return episode.graded() && first != nullptr && first->status() == reward::STATUS_OK;
  }
  double score() const { return judged() ? first_reward()->score() : 0; }
  bool correct() const { return judged() && score() >= 1.0; }
  std::string detail() const {
    return judged() ? first_reward()->detail() : DescribeVerdict(episode.verdict);
  }
  // That the reward found in the completion, "" for nothing; absent: it looks for no answer.
  std::optional<std::string> answer() const {
    const bool found = judged() && first_reward()->has_answer();
    return found ? std::optional(first_reward()->answer()) : std::nullopt;
  }
};

}  // namespace cohort::rl
