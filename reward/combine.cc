#include "reward/combine.h"

#include <cmath>
#include <new>

#include "base/error.h"
#include "base/utf8.h"

namespace cohort::reward {
namespace {

constexpr size_t kMaxDetail = 512;  // bytes

std::string BoundedDetail(std::string detail) {
  if (detail.size() > kMaxDetail) detail = detail.substr(0, kMaxDetail) + "...";
  return base::RepairUtf8(detail);
}

Grade SafeScore(const Term& term, const Sample& sample, const Budget& budget) {
  try {
    Grade grade = term.grader->Score(sample, budget);
    if (grade.status == STATUS_OK && !std::isfinite(grade.score)) {
      return Failed(STATUS_ERROR, "the score is not a finite number");
    }
    return grade;
  } catch (const std::bad_alloc&) {
    return Failed(STATUS_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return Failed(STATUS_ERROR, error.what());
  }
}

}  // namespace

Verdict Combine(uint64_t sample_id, const Terms& terms, std::vector<Grade> grades) {
  COHORT_CHECK(terms.size() == grades.size(), "a grade for each term");
  Verdict verdict;
  verdict.set_sample_id(sample_id);
  verdict.set_status(STATUS_OK);
  double sum = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    Grade& grade = grades[i];
    Component* component = verdict.add_components();
    component->set_name(terms[i].name);
    component->set_status(grade.status);
    component->set_detail(BoundedDetail(std::move(grade.detail)));
    if (grade.tests) *component->mutable_tests() = *grade.tests;
    if (grade.status == STATUS_OK) {
      component->set_score(grade.score);
      sum += terms[i].weight * grade.score;
    } else if (verdict.status() == STATUS_OK) {
      verdict.set_status(grade.status);
      verdict.set_detail(terms[i].name + ": " + component->detail());
    }
  }
  if (verdict.status() != STATUS_OK) return verdict;
  if (!std::isfinite(sum)) {
    verdict.set_status(STATUS_ERROR);
    verdict.set_detail("the weighted sum is not a finite number");
    return verdict;
  }
  verdict.set_score(sum);
  if (terms.size() == 1) verdict.set_detail(verdict.components(0).detail());
  return verdict;
}

Verdict ScoreSample(const Terms& terms, const Sample& sample, std::chrono::milliseconds limit,
                    const std::atomic<bool>* cancelled) {
  std::vector<Grade> grades;
  grades.reserve(terms.size());
  for (const Term& term : terms) {
    grades.push_back(SafeScore(term, sample, Budget(limit, cancelled)));
  }
  return Combine(sample.sample_id(), terms, std::move(grades));
}

}  // namespace cohort::reward
