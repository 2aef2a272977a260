#include "reward/code/box/pool.h"

namespace cohort::reward::judge {

BoxPool::Caller::Caller(BoxPool* pool) : pool_(pool) {
  const std::lock_guard lock(pool_->mutex_);
  ++pool_->callers_;
}

BoxPool::Caller::~Caller() {
  const std::lock_guard lock(pool_->mutex_);
  --pool_->callers_;
}

std::unique_ptr<Box> BoxPool::Take(const ProgramLimits& limits) {
  std::unique_ptr<Box> box;
  std::deque<std::unique_ptr<Box>> unfit;  // closed after the lock is gone
  bool start_spare = false;
  {
    const std::lock_guard lock(mutex_);
    while (!spare_.empty() && box == nullptr) {
      const bool fits = spare_.front()->file_mb() == limits.file_mb;
      if (fits) {
        box = std::move(spare_.front());
      } else {
        unfit.push_back(std::move(spare_.front()));
      }
      spare_.pop_front();
    }
    start_spare = spare_.size() < std::min(callers_, kMaxSpare);
  }
  if (box == nullptr || !box->LimitGroup(limits.memory_mb, limits.pids)) {
    box = std::make_unique<Box>(sandbox_, limits);
  }
  if (start_spare) {
    auto spare = std::make_unique<Box>(sandbox_, limits);
    const std::lock_guard lock(mutex_);
    spare_.push_back(std::move(spare));
  }
  return box;
}

}  // namespace cohort::reward::judge
