#pragma once

// The inputs that are being judged at this moment: a call with an equal input waits for the grade
// and does not judge it a second time.

#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>

#include "reward/cache/input_memory.h"

namespace cohort::reward {

// Thread-safe; outlives its claims.
class InputClaims {
 public:
  // The right to judge one input; given back when it goes.
  class Claim {
   public:
    Claim(Claim&& other) noexcept : claims_(other.claims_), key_(other.key_) {
      other.claims_ = nullptr;
    }
    Claim& operator=(Claim&&) = delete;
    ~Claim();

   private:
    friend class InputClaims;
    Claim(InputClaims* claims, const InputKey& key) : claims_(claims), key_(key) {}
    InputClaims* claims_;
    InputKey key_;
  };

  // nullopt: somebody else judges it.
  std::optional<Claim> Take(const InputKey& key);

  // Returns when nobody judges the input, or the budget was cancelled. Who waits must hold no claim
  // himself: holders judge, and a judge has a deadline.
  void AwaitFree(const InputKey& key, const Budget& budget);

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::set<InputKey> taken_;  // guarded by mutex_
};

}  // namespace cohort::reward
