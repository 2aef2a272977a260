#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "reward/code/box/box.h"

namespace cohort::reward::judge {

// Boxes that boot while others are judged in. A box is handed out once. Thread-safe.
class BoxPool {
 public:
  explicit BoxPool(Sandbox* sandbox) : sandbox_(sandbox) {}

  // A fresh box with these limits, perhaps already up; and starts one more for the next call, as
  // long as fewer boxes wait than callers are at work, and fewer than 16. Errors: kEnvironment.
  std::unique_ptr<Box> Take(const ProgramLimits& limits);

  // Marks a caller for the time of a judgement.
  class Caller {
   public:
    explicit Caller(BoxPool* pool);
    ~Caller();
    Caller(const Caller&) = delete;

   private:
    BoxPool* const pool_;
  };

 private:
  static constexpr size_t kMaxSpare = 16;

  Sandbox* const sandbox_;
  std::mutex mutex_;
  std::deque<std::unique_ptr<Box>> spare_;  // guarded by mutex_
  size_t callers_ = 0;                      // guarded by mutex_
};

}  // namespace cohort::reward::judge
