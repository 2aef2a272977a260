#include "rl/run/evaluation_history.h"

#include <algorithm>
#include <cstdio>

#include "rl/records/console.h"

namespace cohort::rl {

StepMetrics MetricsOf(const Evaluation& evaluation) {
  StepMetrics metrics;
  metrics.phase = "eval";
  metrics.eval_reward = evaluation.reward;
  if (evaluation.problems > 0) {
    metrics.eval_accuracy = evaluation.accuracy;
    metrics.eval_accuracy_low = evaluation.interval.low;
    metrics.eval_accuracy_high = evaluation.interval.high;
  }
  for (const auto& [name, scores] : evaluation.components) {
    metrics.eval_rewards[name] = {scores.mean(), scores.deviation(), scores.count};
  }
  metrics.eval_problems = evaluation.problems;
  metrics.eval_failed = evaluation.failed;
  metrics.eval_completion_tokens = evaluation.completion_tokens;
  metrics.eval_truncated = evaluation.truncated;
  metrics.eval_s = evaluation.wall_s;
  return metrics;
}

std::string DescribeEvaluation(const Evaluation& evaluation, const proto::Eval& settings) {
  char text[256];
  std::string how = "greedy";
  if (settings.temperature() > 0) {
    std::snprintf(text, sizeof(text), "%d a problem at temperature %g", settings.samples(),
                  settings.temperature());
    how = text;
  }
  std::snprintf(text, sizeof(text), " %.1f%% [%.1f, %.1f] (%lld answers, %s, %s)",
                100 * evaluation.accuracy, 100 * evaluation.interval.low,
                100 * evaluation.interval.high, static_cast<long long>(evaluation.problems),
                how.c_str(), FormatDuration(evaluation.wall_s).c_str());
  const std::string reward = evaluation.reward.empty() ? "" : " (" + evaluation.reward + ")";
  std::string line = "held-out accuracy" + reward + text;
  if (evaluation.components.size() < 2) return line;
  const char* separator = "; mean ";
  for (const auto& [name, scores] : evaluation.components) {
    std::snprintf(text, sizeof(text), "%.3g", scores.mean());
    line += separator + name + " " + text;
    separator = ", ";
  }
  return line;
}

void EvaluationHistory::Add(const std::string& after, int64_t step, const Evaluation& evaluation) {
  evaluations_.push_back({{"after", after},
                          {"step", step},
                          {"reward", evaluation.reward},
                          {"accuracy", evaluation.accuracy}});
  last_examples_ = nlohmann::json::array();
  for (const EvaluatedProblem& example : evaluation.examples) {
    last_examples_.push_back({{"prompt", example.prompt},
                              {"answer", example.answer},
                              {"completion", example.completion},
                              {"correct", example.correct}});
  }
  if (first_examples_.empty()) first_examples_ = last_examples_;
}

std::optional<int64_t> EvaluationHistory::best_step() const {
  std::optional<int64_t> best;
  double accuracy = -1;
  for (const nlohmann::json& evaluation : evaluations_) {
    if (evaluation.at("accuracy").get<double>() < accuracy) continue;
    accuracy = evaluation.at("accuracy");
    best = evaluation.value("step", int64_t{-1});  // an older run's evaluations have none
  }
  return best;
}

std::string EvaluationHistory::reward() const {
  return evaluations_.empty() ? "" : evaluations_.back().value("reward", std::string());
}

void EvaluationHistory::AddTo(nlohmann::json* scalars) const {
  (*scalars)["evaluations"] = evaluations_;
  (*scalars)["first_examples"] = first_examples_;
  (*scalars)["last_examples"] = last_examples_;
}

void EvaluationHistory::LoadFrom(const nlohmann::json& scalars) {
  evaluations_ = scalars.at("evaluations");
  first_examples_ = scalars.at("first_examples");
  last_examples_ = scalars.at("last_examples");
}

std::vector<std::string> EvaluationHistory::AccuracyLines() const {
  std::vector<std::string> lines;
  for (const nlohmann::json& evaluation : evaluations_) {
    char text[120];
    std::snprintf(text, sizeof(text), "  %-24s %5.1f%%",
                  evaluation.at("after").get<std::string>().c_str(),
                  100 * evaluation.at("accuracy").get<double>());
    lines.emplace_back(text);
  }
  return lines;
}

std::vector<BeforeAfterRow> EvaluationHistory::BeforeAfterRows() const {
  std::vector<BeforeAfterRow> rows;
  for (size_t i = 0; i < std::min(first_examples_.size(), last_examples_.size()); ++i) {
    const nlohmann::json& before = first_examples_[i];
    const nlohmann::json& after = last_examples_[i];
    rows.push_back({before.at("prompt"), before.at("answer"), before.at("completion"),
                    after.at("completion"), before.at("correct"), after.at("correct")});
  }
  return rows;
}

std::string EvaluationHistory::ExamplePrompt() const {
  return last_examples_.empty() ? "" : last_examples_.front().at("prompt").get<std::string>();
}

}  // namespace cohort::rl
