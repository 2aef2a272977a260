#include "rl/records/step_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/durable_file.h"

namespace cohort::rl {
namespace {

using nlohmann::json;

TEST(StepMetrics, ARowHoldsWhatIsKnownUnderItsKeySorted) {
  StepMetrics metrics;
  metrics.step = 3;
  metrics.round = 2;
  metrics.phase = "grpo";
  metrics.reward_mean = 0.25;
  metrics.groups = 4;
  metrics.rewards["format"] = {0.5, 0.125, 7};
  EXPECT_EQ(MetricsRow(metrics).dump(),
            R"({"groups":4,"phase":"grpo","reward_mean":0.25,"rewards":{"format":{"count":7,)"
            R"("mean":0.5,"std":0.125}},"round":2,"step":3})");
}

TEST(StepMetrics, WhatOnlyTheDiagnosticsReadIsInNoRow) {
  StepMetrics metrics;
  metrics.phase = "grpo";
  metrics.samples = metrics.all_right_groups = metrics.all_wrong_groups = 5;
  EXPECT_EQ(MetricsRow(metrics), json({{"step", 0}, {"round", 0}, {"phase", "grpo"}}));
}

TEST(StepMetrics, AnAccuracyThatNobodyKnowsIsNullAndNotZero) {
  StepMetrics metrics;
  metrics.phase = "eval";
  metrics.eval_problems = 0;
  EXPECT_TRUE(MetricsRow(metrics).at("eval_accuracy").is_null());
  metrics.eval_problems = 2;
  metrics.eval_accuracy = 0.5;
  EXPECT_EQ(MetricsRow(metrics).at("eval_accuracy"), 0.5);
}

TEST(StepMetrics, EveryFigureOfTheStructIsInTheTableOnce) {
  std::set<std::string> keys;
  for (const Figure& figure : Figures()) {
    EXPECT_TRUE(keys.insert(figure.key).second) << figure.key << " stands there twice";
    EXPECT_NE(figure.uses, 0u) << figure.key << " stands nowhere";
    EXPECT_STRNE(figure.doc, "") << figure.key;
  }
  // A member that the table lacks makes the struct larger than its figures.
  size_t bytes = 0;
  for (const Figure& figure : Figures()) {
    bytes += std::visit([](auto member) { return sizeof(StepMetrics{}.*member); }, figure.member);
  }
  EXPECT_EQ(bytes, sizeof(StepMetrics));
}

TEST(StepMetrics, TwoFiguresNeverShareAMember) {
  for (const Figure& figure : Figures()) {
    StepMetrics metrics;
    std::visit(
        [&](auto member) {
          using Value = std::decay_t<decltype(metrics.*member)>;
          if constexpr (std::is_same_v<Value, std::string>) {
            metrics.*member = "x";
          } else if constexpr (std::is_same_v<Value, std::map<std::string, RewardFigures>>) {
            (metrics.*member)["x"] = {};
          } else {
            metrics.*member = 1;
          }
        },
        figure.member);
    if (figure.uses >= kDiagnostics && (figure.uses & (kGrpoRow | kSftRow | kEvalRow)) == 0)
      continue;
    json row = MetricsRow(metrics);
    EXPECT_TRUE(row.contains(figure.key)) << figure.key;
    for (const char* always : {"step", "round", "eval_accuracy"}) {
      if (std::string(always) != figure.key) row.erase(always);
    }
    EXPECT_EQ(row.size(), 1u) << figure.key << " is written as " << row;
  }
}

TEST(StepMetrics, WhatTheClockDecidesIsKnownByItsKey) {
  for (const Figure& figure : Figures()) {
    const std::string key = figure.key, unit = figure.unit;
    EXPECT_EQ(key.ends_with("_s"), unit == "s" || unit.ends_with("/s")) << key;
  }
}

// As it stands in rl/records/README.md.
std::string TableLine(const Figure& figure) {
  const auto list = [&](std::vector<std::pair<bool, const char*>> words) {
    std::string text;
    for (const auto& [holds, word] : words) {
      if (holds) text += (text.empty() ? "" : ", ") + std::string(word);
    }
    return text;
  };
  const auto uses = [&](FigureUse use) { return (figure.uses & use) != 0; };
  return "| `" + std::string(figure.key) + "` | " + figure.unit + " | " +
         list({{uses(kGrpoRow), "grpo"}, {uses(kSftRow), "sft"}, {uses(kEvalRow), "eval"}}) +
         " | " +
         list({{figure.progress != nullptr, "progress line"},
               {uses(kDiagnostics), "diagnostics"},
               {uses(kAlarm), "alarm"}}) +
         " | " + figure.doc + " |";
}

TEST(StepMetrics, TheReadmeHasTheTableAsItIs) {
  std::string table = "| key | unit | rows | read by | meaning |\n|---|---|---|---|---|\n";
  for (const Figure& figure : Figures()) table += TableLine(figure) + "\n";
  const std::string readme =
      base::ReadFile(std::string(COHORT_SOURCE_DIR) + "/rl/records/README.md");
  EXPECT_TRUE(readme.ends_with("\n" + table)) << "the README's table should be\n" << table;
}

}  // namespace
}  // namespace cohort::rl
