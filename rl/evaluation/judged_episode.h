#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rl/rollouts/episode.h"

namespace cohort::rl {

// An episode as an evaluation reads it: one reward says right or wrong.
struct JudgedEpisode {
  Episode episode;
  std::string deciding_name = {};  // a reward; "": the first of the verdict
  int64_t answer_group = -1;       // rl/evaluation/answer_groups.h

  const reward::Component* deciding_reward() const {
    return FindComponent(episode.verdict, deciding_name);
  }
  // False: the grader failed; neither right nor wrong.
  bool judged() const {
    const reward::Component* const deciding = deciding_reward();
    return episode.graded() && deciding != nullptr && deciding->status() == reward::STATUS_OK;
  }
  double score() const { return judged() ? deciding_reward()->score() : 0; }
  bool correct() const { return judged() && score() >= 1.0; }
  std::string detail() const {
    return judged() ? deciding_reward()->detail() : DescribeVerdict(episode.verdict);
  }
  // That the reward found in the completion, "" for nothing; absent: it looks for no answer.
  std::optional<std::string> answer() const {
    const bool found = judged() && deciding_reward()->has_answer();
    return found ? std::optional(deciding_reward()->answer()) : std::nullopt;
  }
};

}  // namespace cohort::rl
