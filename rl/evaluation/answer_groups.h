#pragma once

// Which samples of a problem answer the same.

#include <vector>

#include "reward/reward.pb.h"
#include "rl/evaluation/judged_episode.h"

namespace cohort::rl {

// Sets answer_group of every judged sample: equal within a problem where the answers are one answer
// to the reward, counted from 0 in the order of the samples. Right samples are one group, whatever
// they wrote, and so are those without an answer. Another sample joins the first group whose first
// answer is the same as its own. Does nothing where no sample of any problem has an `answer`: such
// a reward looks for none.
void GroupAnswers(const reward::RewardTerm& term,
                  std::vector<std::vector<JudgedEpisode>>* outcomes);

}  // namespace cohort::rl
