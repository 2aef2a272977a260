#include "rl/evaluation/answer_groups.h"

#include <algorithm>
#include <map>
#include <string>

#include "reward/registry.h"

namespace cohort::rl {
namespace {

class ProblemGroups {
 public:
  explicit ProblemGroups(const reward::Grader& grader) : grader_(grader) {}

  int64_t GroupOf(const JudgedEpisode& sample) {
    const std::string answer = sample.answer().value_or("");
    if (sample.correct()) return Special(&right_);
    if (answer.empty()) return Special(&none_);
    const auto [known, fresh] = by_text_.try_emplace(answer, -1);
    if (fresh) known->second = GroupOfText(answer);
    return known->second;
  }

 private:
  int64_t Special(int64_t* group) {
    if (*group < 0) *group = groups_++;
    return *group;
  }

  int64_t GroupOfText(const std::string& answer) {
    for (const auto& [first, group] : firsts_) {
      if (grader_.SameAnswer(first, answer)) return group;
    }
    firsts_.emplace_back(answer, groups_);
    return groups_++;
  }

  const reward::Grader& grader_;
  int64_t groups_ = 0;
  int64_t right_ = -1, none_ = -1;
  std::map<std::string, int64_t> by_text_;
  std::vector<std::pair<std::string, int64_t>> firsts_;  // of the wrong answers' groups
};

}  // namespace

void GroupAnswers(const reward::RewardTerm& term,
                  std::vector<std::vector<JudgedEpisode>>* outcomes) {
  const auto has_answer = [](const JudgedEpisode& sample) { return sample.answer().has_value(); };
  const bool any = std::any_of(outcomes->begin(), outcomes->end(), [&](const auto& samples) {
    return std::any_of(samples.begin(), samples.end(), has_answer);
  });
  if (!any) return;
  const auto grader =
      reward::MakeGrader(term.name(), {term.options().begin(), term.options().end()});
  for (std::vector<JudgedEpisode>& samples : *outcomes) {
    ProblemGroups groups(*grader);
    for (JudgedEpisode& sample : samples) {
      if (sample.judged()) sample.answer_group = groups.GroupOf(sample);
    }
  }
}

}  // namespace cohort::rl
