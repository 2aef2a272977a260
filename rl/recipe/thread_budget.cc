#include "rl/recipe/thread_budget.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace cohort::rl {
namespace {

// 0: the variable says nothing. Of "4,2", a number for each level of nesting, the first.
int OpenMpThreads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  return text == nullptr ? 0 : std::max(0, std::atoi(text));
}

std::string Some(int count, const std::string& what, int threads) {
  if (count == 0) return "no local " + what;
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s") + " of " +
         std::to_string(threads);
}

}  // namespace

ThreadBudget ThreadsOf(const proto::Recipe& recipe, int cores) {
  ThreadBudget threads;
  const int here = static_cast<int>(std::thread::hardware_concurrency());  // 0: it is not known
  threads.cores = cores > 0 ? cores : std::max(1, here);
  threads.learner = recipe.threads() > 0 ? recipe.threads() : OpenMpThreads();
  if (threads.learner == 0) threads.learner = threads.cores;
  threads.workers = recipe.rollout().workers();
  threads.decoder = std::max(1, threads.learner / std::max(1, threads.workers));
  threads.services = recipe.rollout().reward_services();
  threads.graders = std::max(1, threads.learner / std::max(1, threads.services));
  return threads;
}

std::string Describe(const ThreadBudget& threads) {
  return "learner " + std::to_string(threads.learner) + ", " +
         Some(threads.workers, "worker", threads.decoder) + ", " +
         Some(threads.services, "reward service", threads.graders) + "; " +
         std::to_string(threads.cores) + (threads.cores == 1 ? " core" : " cores");
}

}  // namespace cohort::rl
