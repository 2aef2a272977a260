#include "reward/cache/input_memory.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cohort::reward {
namespace {

bool IsJudgement(Status status) {
  return status == STATUS_OK || status == STATUS_NOT_APPLICABLE || status == STATUS_UNPARSEABLE;
}

bool IsStrike(Status status) {
  return status == STATUS_CRASH || status == STATUS_TIMEOUT || status == STATUS_MEMORY;
}

// A long detail or many parts would make the bound on the number of inputs one on nothing.
bool IsSmall(const Grade& grade) {
  size_t bytes = grade.detail.size();
  for (const GradePart& part : grade.parts) bytes += part.name.size() + 64;
  return bytes <= 4096;
}

}  // namespace

InputKey KeyOf(const Sample& sample) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  for (const std::string* text :
       {&sample.prompt(), &sample.completion(), &sample.answer(), &sample.columns_json()}) {
    const uint64_t size = text->size();  // so that no two samples run into the same bytes
    XXH3_128bits_update(&state, &size, sizeof(size));
    XXH3_128bits_update(&state, text->data(), text->size());
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  return {hash.high64, hash.low64};
}

std::optional<Grade> InputMemory::Recall(const InputKey& key) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(key);
  if (found == places_.end()) return std::nullopt;
  const Entry& entry = *found->second;
  if (entry.strikes == 0) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entry.grade;
  }
  if (entry.strikes < kMaxStrikes) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return Failed(entry.grade.status,
                "quarantined: this input failed " + std::to_string(entry.strikes) +
                    " times and is not tried again; the last time: " + entry.grade.detail);
}

void InputMemory::Note(const InputKey& key, const Grade& grade) {
  const bool strike = count_strikes_ && IsStrike(grade.status);
  if (!strike && !IsJudgement(grade.status)) return;
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(key);
  if (!strike && (!keep_grades_ || !IsSmall(grade))) {
    if (found == places_.end()) return;  // it did better this time: its strike is forgiven
    entries_.erase(found->second);
    places_.erase(found);
    return;
  }
  Entry& entry = Touch(key);
  entry.strikes = strike ? entry.strikes + 1 : 0;
  entry.grade = grade;
}

InputMemory::Entry& InputMemory::Touch(const InputKey& key) {
  const auto found = places_.find(key);
  if (found != places_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front();
  }
  if (entries_.size() >= max_inputs_) {
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({key, 0, {}});
  places_[key] = entries_.begin();
  return entries_.front();
}

}  // namespace cohort::reward
