#include "reward/plugins/pool.h"

namespace cohort::reward {

PluginPool::PluginPool(int max_processes, Start start)
    : max_processes_(max_processes), start_(std::move(start)) {
  idle_.push_back(start_());
  processes_ = 1;
  takes_batches_ = idle_.back()->takes_batches();
}

std::vector<Grade> PluginPool::Score(std::span<const Sample* const> samples, const Budget& budget) {
  std::unique_ptr<PluginWorker> worker = Acquire(budget);
  if (worker == nullptr) {
    return std::vector<Grade>(samples.size(), Failed(STATUS_ERROR, "the call was cancelled"));
  }
  std::vector<Grade> grades = worker->Score(samples, budget.StartedAgain());
  Release(worker->alive() ? std::move(worker) : nullptr);
  return grades;
}

std::unique_ptr<PluginWorker> PluginPool::Acquire(const Budget& budget) {
  {
    std::unique_lock lock(mutex_);
    while (idle_.empty() && max_processes_ > 0 && processes_ >= max_processes_) {
      if (budget.Cancelled()) return nullptr;
      freed_.wait_for(lock, std::chrono::milliseconds(50));  // whoever is busy has a deadline
    }
    if (!idle_.empty()) {
      std::unique_ptr<PluginWorker> worker = std::move(idle_.back());
      idle_.pop_back();
      return worker;
    }
    ++processes_;
  }
  try {
    return start_();
  } catch (...) {
    Release(nullptr);
    throw;
  }
}

void PluginPool::Release(std::unique_ptr<PluginWorker> worker) {
  {
    const std::lock_guard lock(mutex_);
    if (worker == nullptr) {
      --processes_;
    } else {
      idle_.push_back(std::move(worker));
    }
  }
  freed_.notify_one();
}

}  // namespace cohort::reward
