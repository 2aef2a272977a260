#include "reward/service/combine.h"

#include <cmath>
#include <new>

#include "base/error.h"
#include "base/file_fault.h"
#include "base/utf8.h"

namespace cohort::reward {
namespace {

constexpr size_t kMaxDetail = 512;               // bytes
constexpr size_t kMaxAnswer = size_t{16} << 10;  // reward.proto promises it

std::string BoundedDetail(std::string detail) {
  if (detail.size() > kMaxDetail) detail = detail.substr(0, kMaxDetail) + "...";
  return base::RepairUtf8(detail);
}

Grade WithFiniteScore(Grade grade) {
  bool finite = grade.status != STATUS_OK || std::isfinite(grade.score);
  for (const GradePart& part : grade.parts) finite &= std::isfinite(part.score.value_or(0));
  return finite ? std::move(grade) : Failed(STATUS_ERROR, "the score is not a finite number");
}

// The grades that `score` returns, or a failure for each of the `count` samples when it throws.
template <class ScoreThem>
std::vector<Grade> Safely(size_t count, const ScoreThem& score) {
  try {
    std::vector<Grade> grades = score();
    if (grades.size() != count) {
      return {count, Failed(STATUS_ERROR, "the reward gave " + std::to_string(grades.size()) +
                                              " grades for " + std::to_string(count) + " samples")};
    }
    for (Grade& grade : grades) grade = WithFiniteScore(std::move(grade));
    return grades;
  } catch (const std::bad_alloc&) {
    return {count, Failed(STATUS_MEMORY, "out of memory")};
  } catch (const std::exception& error) {
    return {count, Failed(STATUS_ERROR, base::MessageOf(error))};
  }
}

void AddParts(const std::string& term, const std::vector<GradePart>& parts, Verdict* verdict) {
  for (const GradePart& part : parts) {
    Component* component = verdict->add_components();
    component->set_name(term + "." + base::RepairUtf8(part.name));
    component->set_status(part.score.has_value() ? STATUS_OK : STATUS_NOT_APPLICABLE);
    component->set_score(part.score.value_or(0));
  }
}

}  // namespace

void NumberRepeatedNames(Terms* terms) {
  std::map<std::string, int> seen;
  for (Term& term : *terms) {
    const int number = ++seen[term.name];
    if (number > 1) term.name += "#" + std::to_string(number);
  }
}

Verdict Combine(uint64_t sample_id, const Terms& terms, std::vector<Grade> grades) {
  COHORT_CHECK(terms.size() == grades.size(), "a grade for each term");
  Verdict verdict;
  verdict.set_sample_id(sample_id);
  verdict.set_status(STATUS_OK);
  double sum = 0;
  bool applies = false;
  for (size_t i = 0; i < terms.size(); ++i) {
    Grade& grade = grades[i];
    Component* component = verdict.add_components();
    component->set_name(terms[i].name);
    component->set_status(grade.status);
    component->set_detail(BoundedDetail(std::move(grade.detail)));
    if (grade.tests) *component->mutable_tests() = *grade.tests;
    if (grade.answer) component->set_answer(grade.answer->substr(0, kMaxAnswer));
    if (grade.status == STATUS_OK) {
      applies = true;
      component->set_score(grade.score);
      sum += terms[i].weight * grade.score;
    } else if (grade.status != STATUS_NOT_APPLICABLE && verdict.status() == STATUS_OK) {
      verdict.set_status(grade.status);
      verdict.set_detail(terms[i].name + ": " + component->detail());
    }
    AddParts(terms[i].name, grade.parts, &verdict);
  }
  if (verdict.status() != STATUS_OK) return verdict;
  if (!applies) {
    verdict.set_status(STATUS_NOT_APPLICABLE);
    verdict.set_detail("no reward applies to this sample");
    return verdict;
  }
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
  const Sample* const one[] = {&sample};
  Verdict verdict;
  ScoreSamples(terms, one, limit, cancelled, [&](size_t, Verdict v) { verdict = std::move(v); });
  return verdict;
}

void ScoreSamples(const Terms& terms, std::span<const Sample* const> samples,
                  std::chrono::milliseconds limit, const std::atomic<bool>* cancelled,
                  const std::function<void(size_t index, Verdict verdict)>& accept) {
  std::vector<std::vector<Grade>> together(terms.size());
  for (size_t t = 0; t < terms.size(); ++t) {
    if (samples.size() < 2 || !terms[t].grader->takes_batches()) continue;
    together[t] = Safely(samples.size(), [&] {
      return terms[t].grader->ScoreBatch(samples, Budget(limit, cancelled));
    });
  }
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i > 0 && cancelled != nullptr && cancelled->load()) return;
    std::vector<Grade> grades;
    grades.reserve(terms.size());
    for (size_t t = 0; t < terms.size(); ++t) {
      if (!together[t].empty()) {
        grades.push_back(std::move(together[t][i]));
        continue;
      }
      const auto score = [&] {
        return std::vector<Grade>{terms[t].grader->Score(*samples[i], Budget(limit, cancelled))};
      };
      grades.push_back(std::move(Safely(1, score).front()));
    }
    accept(i, Combine(samples[i]->sample_id(), terms, std::move(grades)));
  }
}

}  // namespace cohort::reward
