#include "reward/cache/input_claims.h"

namespace cohort::reward {

InputClaims::Claim::~Claim() {
  if (claims_ == nullptr) return;
  {
    const std::lock_guard lock(claims_->mutex_);
    claims_->taken_.erase(key_);
  }
  claims_->freed_.notify_all();
}

std::optional<InputClaims::Claim> InputClaims::Take(const InputKey& key) {
  const std::lock_guard lock(mutex_);
  if (!taken_.insert(key).second) return std::nullopt;
  return Claim(this, key);
}

void InputClaims::AwaitFree(const InputKey& key, const Budget& budget) {
  constexpr std::chrono::milliseconds kLook(50);  // how soon a cancelled call is seen
  std::unique_lock lock(mutex_);
  while (taken_.contains(key) && !budget.Cancelled()) freed_.wait_for(lock, kLook);
}

}  // namespace cohort::reward
