#include "reward/plugins/pool.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/error.h"

namespace cohort::reward {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxStarts = 5;      // of one process, as long as each is killed while it loads
constexpr int kMaxJudgements = 3;  // of one sample, as long as its process is killed
constexpr milliseconds kFirstPause(100);  // before the second start; doubles

std::string TimesKilled(int times, const std::string& detail) {
  return detail + "; so it was " + std::to_string(times) + " times in a row";
}

}  // namespace

PluginPool::PluginPool(int max_processes, Start start)
    : max_processes_(max_processes), start_(std::move(start)) {
  idle_.push_back(StartPatiently(nullptr));
  processes_ = 1;
  takes_batches_ = idle_.back()->takes_batches();
}

std::vector<Grade> PluginPool::Score(std::span<const Sample* const> samples, const Budget& budget) {
  for (int judgements = 0;;) {
    auto [worker, fresh] = Acquire(budget);
    if (worker == nullptr) {
      return std::vector<Grade>(samples.size(), Failed(STATUS_ERROR, "the call was cancelled"));
    }
    std::vector<Grade> grades = worker->Score(samples, budget.StartedAgain());
    const bool killed = worker->killed_by() != 0;
    Release(worker->alive() ? std::move(worker) : nullptr);
    if (!killed || budget.Cancelled()) return grades;
    // One that waited may have been killed long before this sample came: it has not been judged.
    if (fresh) ++judgements;
    if (judgements == kMaxJudgements) {
      for (Grade& grade : grades) {
        if (grade.status != STATUS_OK) grade.detail = TimesKilled(judgements, grade.detail);
      }
      return grades;
    }
    spdlog::warn("{}; a fresh process judges its {} sample(s) again", grades.back().detail,
                 samples.size());
  }
}

// `budget` null: nobody cancels.
std::unique_ptr<PluginWorker> PluginPool::StartPatiently(const Budget* budget) const {
  milliseconds pause = kFirstPause;
  for (int starts = 1;; ++starts) {
    try {
      return start_();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnavailable) throw;
      if (starts == kMaxStarts || (budget != nullptr && budget->Cancelled())) {
        throw Error(ErrorCode::kEnvironment, TimesKilled(starts, error.what()),
                    "dmesg tells whether the machine's memory ran out");
      }
      spdlog::warn("{}; starting it again", error.what());
    }
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
}

PluginPool::Acquired PluginPool::Acquire(const Budget& budget) {
  {
    std::unique_lock lock(mutex_);
    while (idle_.empty() && max_processes_ > 0 && processes_ >= max_processes_) {
      if (budget.Cancelled()) return {};
      freed_.wait_for(lock, milliseconds(50));  // whoever is busy has a deadline
    }
    if (!idle_.empty()) {
      std::unique_ptr<PluginWorker> worker = std::move(idle_.back());
      idle_.pop_back();
      return {std::move(worker), false};
    }
    ++processes_;
  }
  try {
    return {StartPatiently(&budget), true};
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
