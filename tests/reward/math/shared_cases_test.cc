// The reward cases beside the project: agreement per tier, and not one false positive.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/reward/grade.h"

namespace cohort::reward {
namespace {

using Json = nlohmann::json;

struct Tally {
  int total = 0;
  int agreed = 0;
  int false_positives = 0;
  double Share() const { return total == 0 ? 1 : static_cast<double>(agreed) / total; }
};

// `answer_field`: where the prediction stands; a whole response or an extracted answer.
std::map<std::string, Tally> Check(const std::string& file, const std::string& answer_field,
                                   bool extracted) {
  std::map<std::string, Tally> tallies;
  const auto grader = MakeGrader("math", {});
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const Json row = Json::parse(line);
    if (!row["gold"].is_string() || !row["expected"].is_boolean()) continue;
    Sample sample =
        MakeSample(row[answer_field].get<std::string>(), row["gold"].get<std::string>());
    sample.set_extracted(extracted);
    const Grade grade = grader->Score(sample, Budget(std::chrono::milliseconds(10'000)));
    const bool equal = grade.status == STATUS_OK && grade.score == 1;
    const bool expected = row["expected"].get<bool>();
    Tally& tally = tallies[row["tier"].get<std::string>()];
    ++tally.total;
    tally.agreed += equal == expected ? 1 : 0;
    tally.false_positives += equal && !expected ? 1 : 0;
    if (equal == expected) continue;
    std::printf("%s %s: gold %s, expected %s: %s %s\n", row["tier"].get<std::string>().c_str(),
                row["id"].get<std::string>().c_str(), Quote(row["gold"].get<std::string>()).c_str(),
                expected ? "equal" : "unequal", StatusName(grade.status), grade.detail.c_str());
  }
  for (const auto& [tier, tally] : tallies) {
    std::printf("%s: %d of %d, %d false positives\n", tier.c_str(), tally.agreed, tally.total,
                tally.false_positives);
  }
  return tallies;
}

std::string CasesFile(const std::string& name) {
  return COHORT_SOURCE_DIR "/../shared/data/rewards/" + name;
}

TEST(SharedMathCases, EquivalenceAgreesInEveryTier) {
  const std::string file = CasesFile("math_equiv.jsonl");
  if (!std::ifstream(file)) GTEST_SKIP() << file << " is not here";
  const auto tallies = Check(file, "pred", true);
  EXPECT_GE(tallies.at("must").Share(), 0.99);
  EXPECT_EQ(tallies.at("must").false_positives, 0);
  EXPECT_GE(tallies.at("hard").Share(), 0.85);
  EXPECT_EQ(tallies.at("hard").false_positives, 0);
  EXPECT_GE(tallies.at("parser").Share(), 0.98);
}

TEST(SharedMathCases, ExtractionAgreesWhereItMust) {
  const std::string file = CasesFile("math_extract.jsonl");
  if (!std::ifstream(file)) GTEST_SKIP() << file << " is not here";
  const auto tallies = Check(file, "response", false);
  EXPECT_GE(tallies.at("must").Share(), 0.99);
  EXPECT_EQ(tallies.at("must").false_positives, 0);
}

// Rows of what users and developers found wrong. Three kinds are conventions of the README, and
// stay.
TEST(SharedMathCases, WhatWasFoundWrongIsRight) {
  const std::string file = COHORT_SOURCE_DIR "/../shared/data/found/graders.jsonl";
  if (!std::ifstream(file)) GTEST_SKIP() << file << " is not here";
  std::ifstream in(file);
  int conventions = 0, checked = 0;
  for (std::string line; std::getline(in, line);) {
    const Json row = Json::parse(line);
    const std::string reward = row["reward"].get<std::string>();
    if (reward != "math" && reward != "format") continue;
    const std::string kind = row["kind"].get<std::string>();
    if (kind.find("by convention") != std::string::npos || kind.starts_with("math/decimal comma")) {
      ++conventions;
      continue;
    }
    const bool extracted = row.contains("answer");
    Sample sample = MakeSample(row[extracted ? "answer" : "pred"].get<std::string>(),
                               row.value("gold", std::string()));
    sample.set_extracted(extracted);
    const Grade grade =
        MakeGrader(reward, {})->Score(sample, Budget(std::chrono::milliseconds(10'000)));
    EXPECT_EQ(grade.status, STATUS_OK) << row["id"] << ": " << grade.detail;
    EXPECT_EQ(grade.score, row["expected"].get<double>()) << row["id"] << ": " << grade.detail;
    ++checked;
  }
  std::printf("%d rows checked, %d conventions\n", checked, conventions);
}

TEST(SharedMathCases, Math500GoldsInAFontEqualThemselves) {
  const std::string file = COHORT_SOURCE_DIR "/../shared/data/math500.jsonl";
  if (!std::ifstream(file)) GTEST_SKIP() << file << " is not here";
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::string gold = Json::parse(line)["answer"].get<std::string>();
    for (const std::string font : {"mathbf", "boldsymbol", "bm", "mathrm", "textbf", "underline"}) {
      EXPECT_EQ(ScoreOf("math", "So $\\boxed{\\" + font + "{" + gold + "}}$.", gold), 1)
          << font << " " << gold;
    }
  }
}

TEST(SharedMathCases, Math500GoldsEqualThemselvesAndDifferFromTheirSuccessors) {
  const std::string file = COHORT_SOURCE_DIR "/../shared/data/math500.jsonl";
  if (!std::ifstream(file)) GTEST_SKIP() << file << " is not here";
  const auto grader = MakeGrader("math", {});
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const Json row = Json::parse(line);
    const std::string gold = row["answer"].get<std::string>();
    const auto score = [&](const std::string& completion) {
      return grader->Score(MakeSample(completion, gold), Budget(std::chrono::milliseconds(1000)))
          .score;
    };
    EXPECT_EQ(score(row["solution"].get<std::string>()), 1) << gold;
    EXPECT_EQ(score("So $\\boxed{" + gold + "}$."), 1) << gold;
    EXPECT_EQ(score("So $\\boxed{" + gold + "+1}$."), 0) << gold;
    EXPECT_EQ(score("So $\\boxed{" + gold + "}$ or $\\boxed{17}$."), gold == "17" ? 1 : 0) << gold;
  }
}

}  // namespace
}  // namespace cohort::reward
