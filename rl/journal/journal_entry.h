#pragma once

// A step of a run as it is written down: what it was made of, and what it came to.

#include <cstdint>
#include <string>
#include <vector>

#include "rl/checkpoint/provenance.h"
#include "rl/learner/batch.h"
#include "rl/learner/update_report.h"
#include "rl/objectives/advantages.h"
#include "rl/recipe/recipe.pb.h"
#include "rl/rollouts/episode.h"

namespace cohort::rl {

// One optimizer step.
struct JournalUpdate {
  double learning_rate = 0;
  UpdateReport report;  // as read back: loss, entropy, grad_norm, skipped, trained_tokens, the gap
};

struct JournalEntry {
  int64_t step = 0;           // of the run, from 1
  int32_t round = 0;          // index in the recipe
  int64_t step_in_round = 0;  // from 1
  proto::Output::Journal mode = proto::Output::JOURNAL_ALL;
  std::string recipe;  // file beside the entry's
  Platform platform;
  double temperature = 1;            // that the groups were sampled at
  std::vector<EpisodeGroup> groups;  // also those that a rejection_sft round begins with
  // In a grpo step: the resolved objective, and a list for each group.
  proto::Objective objective;
  std::vector<GroupAdvantages> advantages;
  std::vector<TrainingSequence> demonstrations;  // of a step that learns from some
  std::vector<JournalUpdate> updates;
};

// The answers to the held-out problems.
struct JournalEvaluation {
  int64_t step = 0;
  std::string after;   // "start", "round 1 (sft)", ...
  std::string reward;  // that says which answers are right
  double temperature = 0;
  std::vector<EpisodeGroup> groups;
};

}  // namespace cohort::rl
