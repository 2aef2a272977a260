#include "rl/data/epoch_order.h"

#include <numeric>
#include <utility>

#include "base/counter_random.h"
#include "base/error.h"

namespace cohort::rl {

EpochOrder::EpochOrder(uint64_t size, uint64_t seed)
    : size_(size), seed_(seed), cached_epoch_(UINT64_MAX) {
  COHORT_CHECK(size >= 1, "a stream over no problems");
}

uint64_t EpochOrder::At(uint64_t position) {
  constexpr uint32_t kShuffle = 1;  // this class's own random stream
  const uint64_t epoch = position / size_;
  if (epoch != cached_epoch_) {
    order_.resize(size_);
    std::iota(order_.begin(), order_.end(), uint64_t{0});
    base::CounterRandom random(seed_, kShuffle, epoch);
    for (uint64_t i = size_ - 1; i > 0; --i) {  // Fisher-Yates
      std::swap(order_[i], order_[random.Uniform(0, static_cast<int64_t>(i))]);
    }
    cached_epoch_ = epoch;
  }
  return order_[position % size_];
}

}  // namespace cohort::rl
