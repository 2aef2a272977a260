#include "rl/run/evaluation_history.h"

#include <algorithm>
#include <cstdio>

namespace cohort::rl {

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
