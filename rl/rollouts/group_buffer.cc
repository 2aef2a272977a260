#include "rl/rollouts/group_buffer.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "base/error.h"

namespace cohort::rl {

GroupBuffer::GroupBuffer(int64_t prompts_per_step, int64_t staleness)
    : slots_((staleness + 1) * prompts_per_step) {
  COHORT_CHECK(prompts_per_step >= 1 && staleness == 0, "a buffer of one step's groups");
}

int64_t GroupBuffer::free_slots() const {
  const std::lock_guard lock(mutex_);
  return slots_ - reserved_ - static_cast<int64_t>(finished_.size()) - taken_;
}

void GroupBuffer::Reserve(int64_t count) {
  const std::lock_guard lock(mutex_);
  const int64_t held = reserved_ + static_cast<int64_t>(finished_.size()) + taken_;
  COHORT_CHECK(count >= 0 && held + count <= slots_, "a group goes out only where a slot is free");
  reserved_ += count;
}

void GroupBuffer::Put(EpisodeGroup group) {
  {
    const std::lock_guard lock(mutex_);
    COHORT_CHECK(reserved_ > 0, "a finished group has a reserved slot");
    --reserved_;
    const auto place = std::find_if(finished_.begin(), finished_.end(), [&](const auto& other) {
      return other.group_id > group.group_id;
    });
    finished_.insert(place, std::move(group));
  }
  finished_some_.notify_all();
}

std::vector<EpisodeGroup> GroupBuffer::Take(int64_t count, std::chrono::milliseconds deadline) {
  std::unique_lock lock(mutex_);
  const auto enough = [&] { return static_cast<int64_t>(finished_.size()) >= count; };
  if (!finished_some_.wait_for(lock, deadline, enough)) {
    throw Error(ErrorCode::kUnavailable, std::to_string(finished_.size()) + " of " +
                                             std::to_string(count) +
                                             " groups were finished in time");
  }
  const auto end = finished_.begin() + count;
  std::vector<EpisodeGroup> groups(std::make_move_iterator(finished_.begin()),
                                   std::make_move_iterator(end));
  finished_.erase(finished_.begin(), end);
  taken_ += count;
  return groups;
}

void GroupBuffer::Release() {
  const std::lock_guard lock(mutex_);
  COHORT_CHECK(taken_ > 0, "what is released was taken");
  taken_ = 0;
}

}  // namespace cohort::rl
