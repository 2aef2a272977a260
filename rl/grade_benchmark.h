#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace cohort::rl {

struct GradeBenchmark {
  std::string reward = "code";
  std::map<std::string, std::string> options;
  std::string
      input;  // lines as `cohort grade` takes them; empty: small samples of the reward `code`
  std::string mode = "stdin";  // of the built-in samples: stdin, call or assert
  int samples = 400;           // lines are repeated up to this number
  int workers = 2;
};

// Grades the samples once and reports samples/s, this process's CPU seconds with its children's,
// and how the statuses came out. Errors: kUsage, kEnvironment.
nlohmann::json RunGradeBenchmark(const GradeBenchmark& benchmark);

}  // namespace cohort::rl
