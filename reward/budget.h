#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

namespace cohort::reward {

// Time left for one sample under one reward. Read-only, shared by nobody.
class Budget {
 public:
  explicit Budget(std::chrono::milliseconds limit, const std::atomic<bool>* cancelled = nullptr)
      : limit_(limit), deadline_(std::chrono::steady_clock::now() + limit), cancelled_(cancelled) {}

  Budget StartedAgain() const { return Budget(limit_, cancelled_); }  // the whole limit, from now
  std::chrono::milliseconds limit() const { return limit_; }
  std::chrono::milliseconds Left() const {  // never negative
    using std::chrono::milliseconds, std::chrono::steady_clock;
    return std::max(std::chrono::ceil<milliseconds>(deadline_ - steady_clock::now()),
                    milliseconds(0));
  }
  bool Cancelled() const { return cancelled_ != nullptr && cancelled_->load(); }
  bool Exhausted() const { return Cancelled() || Left().count() == 0; }

 private:
  std::chrono::milliseconds limit_;
  std::chrono::steady_clock::time_point deadline_;
  const std::atomic<bool>* cancelled_;
};

}  // namespace cohort::reward
