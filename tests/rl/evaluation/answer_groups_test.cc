#include "rl/evaluation/answer_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rl/evaluation/grade_completions.h"

namespace cohort::rl {
namespace {

using ::testing::ElementsAre;

// The groups of one problem's completions under the reward.
std::vector<int64_t> GroupsUnder(const std::string& reward, const std::string& answer,
                                 const std::vector<std::string>& completions) {
  reward::RewardTerm term;
  term.set_name(reward);
  Problem problem;
  problem.answer = answer;
  auto outcomes =
      GradeCompletions({problem}, {completions}, term, std::chrono::milliseconds(10'000));
  GroupAnswers(term, &outcomes);
  std::vector<int64_t> groups;
  for (const JudgedEpisode& sample : outcomes.front()) groups.push_back(sample.answer_group);
  return groups;
}

TEST(AnswerGroups, OfMathAreThoseOfItsOwnEquivalence) {
  EXPECT_THAT(
      GroupsUnder("math", "\\frac{1}{2}",
                  {"\\boxed{2/3}", "\\boxed{0.5}", "\\boxed{\\frac{4}{6}}", "\\boxed{\\frac12}",
                   "\\boxed{x+1}", "\\boxed{1 + x}", "\\boxed{2/3}", "\\boxed{50\\%}"}),
      ElementsAre(0, 1, 0, 1, 2, 2, 0, 1));
}

TEST(AnswerGroups, OfOptionsAreTheLetters) {
  EXPECT_THAT(GroupsUnder("math", "C", {"The answer is (B).", "\\boxed{C}", "\\boxed{\\text{B}}"}),
              ElementsAre(0, 1, 0));
}

TEST(AnswerGroups, OfNumbersAndTextsAreThoseOfTheirRewards) {
  EXPECT_THAT(GroupsUnder("last_number", "7", {"so 1,200", "so 7.0", "1200.0 apples", "8", "7"}),
              ElementsAre(0, 1, 0, 2, 1));
  EXPECT_THAT(GroupsUnder("boxed_answer", "7", {"\\boxed{\\dfrac12}", "\\boxed{\\frac{1}{2}}"}),
              ElementsAre(0, 0));
  EXPECT_THAT(GroupsUnder("exact_answer", "yes", {"no", " no ", "No", "yes"}),
              ElementsAre(0, 0, 1, 2));
}

TEST(AnswerGroups, SamplesWithoutAnAnswerAreOneGroup) {
  EXPECT_THAT(GroupsUnder("math", "5", {"<think>\\boxed{5}", "\\boxed{6}", "", "\\boxed{5}"}),
              ElementsAre(0, 1, 0, 2));
}

TEST(AnswerGroups, ARewardThatLooksForNoAnswerHasNone) {
  EXPECT_THAT(GroupsUnder("repetition", "5", {"5", "6"}), ElementsAre(-1, -1));
}

TEST(AnswerGroups, WhatTheGraderCouldNotJudgeIsInNoGroup) {
  EXPECT_THAT(GroupsUnder("exact_answer", "", {"5", "6"}), ElementsAre(-1, -1));
}

}  // namespace
}  // namespace cohort::rl
