#pragma once

// The memory of a costly reward: the grades that it gave, so that a repeated request is answered as
// before, and the inputs that broke it.

#include <array>
#include <list>
#include <map>
#include <mutex>
#include <optional>

#include "reward/grader.h"

namespace cohort::reward {

// A hash of all that a reward sees of a sample; the sample's id is no part of it.
using InputKey = std::array<uint64_t, 2>;
InputKey KeyOf(const Sample& sample);

// Thread-safe. Bounded: the input that was not asked for the longest time is forgotten.
class InputMemory {
 public:
  // An input that crashed, hung or exhausted the plug-in this often is not tried again.
  static constexpr int kMaxStrikes = 2;

  InputMemory(size_t max_inputs, bool keep_grades, bool count_strikes = true)
      : max_inputs_(max_inputs), keep_grades_(keep_grades), count_strikes_(count_strikes) {}

  // The kept grade, or the refusal of a quarantined input (its last status, and a detail that says
  // so), or nothing: the plug-in is to be asked.
  std::optional<Grade> Recall(const InputKey& key);
  // Judgements are kept, strikes counted; other failures leave no trace and may be tried again.
  void Note(const InputKey& key, const Grade& grade);

 private:
  struct Entry {
    InputKey key;
    int strikes = 0;
    Grade grade;  // the judgement, or the latest strike
  };

  Entry& Touch(const InputKey& key);  // in front; a new one where there is none

  const size_t max_inputs_;
  const bool keep_grades_;
  const bool count_strikes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // guarded by mutex_; the latest used in front
  std::map<InputKey, std::list<Entry>::iterator> places_;  // guarded by mutex_
};

}  // namespace cohort::reward
