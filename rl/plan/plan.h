#pragma once

// The report of `cohort plan`: every number with the formula and the assumptions that it rests on.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policy/config/config.h"
#include "rl/plan/local_run.h"
#include "rl/plan/serving.h"
#include "rl/plan/training.h"

namespace cohort::rl {

struct PlanOptions {
  TrainingLayout layout;
  Machine machine;
  DecodeLoad load;
  double training_tokens = 14.8e12;
  int64_t training_context = 4096;
  double utilization = PublishedRun{}.utilization;
  LocalRun run;
};

struct PlanLine {
  std::string key;  // names the quantity and its unit
  double value = 0;
  std::string text;     // the value for people, with its unit
  std::string formula;  // and what it assumes
};

std::vector<PlanLine> MakePlan(const policy::ModelConfig& config, const PlanOptions& options);

// {"key": value, ..., "formulas": {"key": "formula", ...}}; whole numbers are written as such.
nlohmann::json PlanToJson(const std::vector<PlanLine>& plan);
std::string PlanToText(const std::vector<PlanLine>& plan);

}  // namespace cohort::rl
