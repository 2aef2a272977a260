#pragma once

#include <string>

#include "rl/recipe/recipe.pb.h"

namespace cohort::rl {

// The threads of a run's parts on the learner's machine. Learner and decoders take turns, so that
// each side has all of them; graders judge what is finished while the decoders go on.
struct ThreadBudget {
  int cores = 0;
  int learner = 0;   // of LibTorch; the bits of a step depend on it
  int workers = 0;   // local ones
  int decoder = 0;   // of each
  int services = 0;  // local reward services
  int graders = 0;   // at once, of each
};

// `cores`: of the machine; 0: of this one. recipe.threads, or else OMP_NUM_THREADS, or else one a
// core: the learner's; divided among the local workers, and among the local reward services, of
// which each has at least one.
ThreadBudget ThreadsOf(const proto::Recipe& recipe, int cores = 0);

// "learner 8, 2 workers of 4, 1 reward service of 8; 8 cores"
std::string Describe(const ThreadBudget& threads);

}  // namespace cohort::rl
