#include "rl/evaluation/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/temporary_folder.h"
#include "rl/evaluation/answer_groups.h"
#include "rl/evaluation/grade_completions.h"

namespace cohort::rl {
namespace {

using ::testing::HasSubstr;

Problem MakeProblem(const std::string& answer, int level, double rating) {
  Problem problem;
  problem.prompt = "?";
  problem.answer = answer;
  problem.columns = {{"level", level}, {"rating", rating}};
  return problem;
}

class EvalReport : public ::testing::Test {
 protected:
  std::vector<std::vector<JudgedEpisode>> Grade(
      const std::vector<std::vector<std::string>>& completions) {
    reward::RewardTerm term;
    term.set_name("exact_answer");
    auto outcomes =
        GradeCompletions(problems_, completions, term, std::chrono::milliseconds(10'000));
    GroupAnswers(term, &outcomes);
    return outcomes;
  }
  std::string RefusalOf(const EvalReportOptions& options) {
    try {
      ReportEvaluation(problems_, Grade({{"1"}, {"2"}, {"3"}}), options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      return error.what();
    }
    return "no error";
  }

  std::vector<Problem> problems_ = {MakeProblem("1", 1, 800), MakeProblem("2", 1, 1200),
                                    MakeProblem("3", 2, 1600)};
  base::TemporaryFolder folder_;
};

TEST_F(EvalReport, CountsPassesByProblemByColumnAndByRating) {
  const auto outcomes = Grade({{"1", "1"}, {"2", "0"}, {"0", "0"}});
  const auto report = ReportEvaluation(problems_, outcomes,
                                       {.ks = {1, 2}, .by = {"level"}, .rating_column = "rating"});
  EXPECT_EQ(report["accuracy"], 0.5);
  EXPECT_EQ(report["pass_at_k"]["1"], 0.5);
  EXPECT_DOUBLE_EQ(report["pass_at_k"]["2"].get<double>(), 2.0 / 3);
  EXPECT_EQ(report["by"]["level"]["1"]["accuracy"], 0.75);
  EXPECT_EQ(report["by"]["level"]["2"]["accuracy"], 0);
  EXPECT_EQ(report["by"]["level"]["1"]["pass_at_k"]["2"], 1);
  EXPECT_EQ(report["by"]["level"]["2"]["pass_at_k"]["2"], 0);
  // All, half and none of the samples solved 800, 1200 and 1600: by symmetry 1200.
  EXPECT_NEAR(report["elo"]["rating"].get<double>(), 1200, 1e-6);
}

// A level whose samples are fewer than k, or hold no answer.
TEST_F(EvalReport, SaysOfEachGroupWhatItsSamplesAllow) {
  const auto outcomes = Grade({{"1", "1"}, {"2", "0"}, {""}});
  const auto report = ReportEvaluation(problems_, outcomes, {.ks = {1, 2}, .by = {"level"}});
  EXPECT_EQ(report["by"]["level"]["2"]["maj_at_k"], nlohmann::json({{"1", 0.0}}));
  EXPECT_FALSE(report["by"]["level"]["2"]["pass_at_k"].contains("2"));
}

// Votes of three samples: 1 for 1, 0 for 2, 1/3 for 3.
TEST_F(EvalReport, CountsTheAnswerThatMostSamplesHold) {
  const auto outcomes = Grade({{"1", "0", "1"}, {"0", "2", "0"}, {"", "3", "4"}});
  const auto report = ReportEvaluation(problems_, outcomes, {.ks = {1, 3}, .by = {"level"}});
  EXPECT_DOUBLE_EQ(report["maj_at_k"]["1"].get<double>(), report["accuracy"].get<double>());
  EXPECT_DOUBLE_EQ(report["maj_at_k"]["3"].get<double>(), (1 + 0 + 1.0 / 3) / 3);
  EXPECT_EQ(report["maj_at_k_confidence_95"]["3"].size(), 2u);
  EXPECT_EQ(report["pass_at_k"]["3"], 1);
  // By level: problems 1 and 2, problem 3.
  EXPECT_EQ(report["by"]["level"]["1"]["maj_at_k"]["3"], 0.5);
  EXPECT_DOUBLE_EQ(report["by"]["level"]["2"]["maj_at_k"]["3"].get<double>(), 1.0 / 3);
  EXPECT_EQ(report["by"]["level"]["2"]["maj_at_k_confidence_95"]["3"].size(), 2u);
  EXPECT_LT(report["pass_at_k_confidence_95"]["3"][0], 1) << "three problems do not make it sure";
}

TEST_F(EvalReport, TakesAllSamplesWithoutAK) {
  const auto report = ReportEvaluation(problems_, Grade({{"1", "1"}, {"2", "0"}, {"0", "0"}}), {});
  EXPECT_DOUBLE_EQ(report["pass_at_k"]["2"].get<double>(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(report["maj_at_k"]["2"].get<double>(), 0.5);
  EXPECT_FALSE(ReportEvaluation(problems_, Grade({{"1"}, {"2"}, {"3"}}), {}).contains("maj_at_k"));
}

TEST_F(EvalReport, HasNoVoteWhereTheRewardFindsNoAnswers) {
  auto outcomes = Grade({{"1", "1"}, {"2", "0"}, {"0", "0"}});
  for (auto& samples : outcomes) {
    for (JudgedEpisode& sample : samples) sample.answer_group = -1;
  }
  const auto report = ReportEvaluation(problems_, outcomes, {.ks = {2}});
  EXPECT_TRUE(report.contains("pass_at_k"));
  EXPECT_FALSE(report.contains("maj_at_k"));
}

TEST_F(EvalReport, LeavesFailuresOfTheGraderOut) {
  problems_[2].answer = "";  // exact_answer cannot judge without one
  const auto report = ReportEvaluation(problems_, Grade({{"1"}, {"0"}, {"x"}}), {});
  EXPECT_EQ(report["accuracy"], 0.5);
}

TEST_F(EvalReport, NamesAColumnThatIsNotThereARatingThatIsNoneAndATooLargeK) {
  EXPECT_THAT(RefusalOf({.by = {"levl"}}), HasSubstr("no column 'levl'; did you mean 'level'?"));
  EXPECT_THAT(RefusalOf({.ks = {2}}), HasSubstr("pass@2 needs"));
  problems_[1].columns["rating"] = "hard";
  EXPECT_THAT(RefusalOf({.rating_column = "rating"}), HasSubstr("problem 2: column 'rating' is"));
}

TEST_F(EvalReport, WritesEverySampleWithItsScore) {
  const std::string path = folder_.path() / "samples.jsonl";
  WriteGradedSamples(path, problems_, Grade({{"1"}, {"0"}, {"3"}}));
  std::vector<nlohmann::json> rows;
  base::ForEachJsonLine(path, [&](const nlohmann::json& row, int) { rows.push_back(row); });
  ASSERT_EQ(rows.size(), 3u);
  const nlohmann::json& second = rows[1];
  EXPECT_EQ(second["score"], 0);
  EXPECT_THAT(second["detail"].get<std::string>(), HasSubstr("expected '2'"));
  EXPECT_EQ(second["extracted"], "0");
  EXPECT_EQ(second["answer_group"], 0);
}

TEST_F(EvalReport, ReadsOneLineOfCompletionsAProblem) {
  const auto path = folder_.path() / "completions.jsonl";
  std::ofstream(path) << "{\"completion\":\"1\"}\n{\"completions\":[\"2\",\"3\"]}\n{\"text\":1}\n";
  EXPECT_THROW(ReadCompletions(path, 3, 3), Error);
  std::ofstream(path) << "{\"completion\":\"1\"}\n{\"completions\":[\"2\",\"3\"]}\n";
  EXPECT_EQ(ReadCompletions(path, 2, 2)[1], std::vector<std::string>({"2", "3"}));
  EXPECT_THROW(ReadCompletions(path, 3, 3), Error);
}

}  // namespace
}  // namespace cohort::rl
