#include "reward/cache/grade_cache.h"

namespace cohort::reward {
namespace {

bool IsFailure(Status status) { return status != STATUS_OK && status != STATUS_NOT_APPLICABLE; }

}  // namespace

Grade GradeCache::Score(const Sample& sample, const Budget& budget) {
  return ScoreWaiting(sample, KeyOf(sample), budget);
}

// The first of equal inputs holds the claim until its grade is in the memory, where the others find
// it. After a failure the next one tries.
Grade GradeCache::ScoreWaiting(const Sample& sample, const InputKey& key, const Budget& budget) {
  if (!settings_.keep_grades) {
    std::optional<Grade> refused = memory_.Recall(key);
    return refused.has_value() ? *std::move(refused) : ScoreAlone(sample, key, budget);
  }
  while (true) {
    const auto claim = claims_.Take(key);
    std::optional<Grade> known = memory_.Recall(key);
    if (known.has_value()) return *std::move(known);
    if (claim.has_value()) return ScoreAlone(sample, key, budget);
    claims_.AwaitFree(key, budget);
    if (budget.Cancelled()) return Failed(STATUS_ERROR, "the call was cancelled");
  }
}

std::vector<Grade> GradeCache::ScoreTogether(std::span<const Sample* const> samples,
                                             const Budget& budget) {
  std::vector<Grade> grades(samples.size());
  std::vector<InputKey> keys;
  std::vector<size_t> mine, others;  // judged here; judged elsewhere, or a second time in `samples`
  std::vector<InputClaims::Claim> claims;
  for (size_t i = 0; i < samples.size(); ++i) {
    keys.push_back(KeyOf(*samples[i]));
    auto claim = settings_.keep_grades ? claims_.Take(keys[i]) : std::nullopt;
    if (std::optional<Grade> known = memory_.Recall(keys[i])) {
      grades[i] = *std::move(known);
    } else if (claim.has_value()) {
      mine.push_back(i);
      claims.push_back(*std::move(claim));
    } else {
      (settings_.keep_grades ? others : mine).push_back(i);
    }
  }
  std::vector<Grade> together;
  if (mine.size() > 1) {
    std::vector<const Sample*> asked;
    for (const size_t i : mine) asked.push_back(samples[i]);
    together = judge_(asked, budget);
  }
  for (size_t n = 0; n < mine.size(); ++n) {
    const size_t i = mine[n];
    if (n < together.size() && !IsFailure(together[n].status)) {
      grades[i] = std::move(together[n]);
      memory_.Note(keys[i], grades[i]);
    } else {
      grades[i] = ScoreAlone(*samples[i], keys[i], budget);
    }
  }
  claims.clear();  // before waiting for what others judge, who may wait for these
  for (const size_t i : others) grades[i] = ScoreWaiting(*samples[i], keys[i], budget);
  return grades;
}

Grade GradeCache::ScoreAlone(const Sample& sample, const InputKey& key, const Budget& budget) {
  const Sample* const one[] = {&sample};
  Grade grade = judge_(one, budget).front();
  if (!budget.Cancelled()) memory_.Note(key, grade);
  return grade;
}

}  // namespace cohort::reward
