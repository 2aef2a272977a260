#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace cohort::rl {

struct GradeBenchmark {
  std::string reward = "math";
  std::map<std::string, std::string> options;
  // JSON lines as `cohort grade` takes them, or a dataset's, whose line is graded twice: its answer
  // boxed at the end of a short response, and the next line's answer in its place. Empty: one small
  // program for the reward `code`.
  std::string input;
  std::string mode = "stdin";  // of that program: stdin, call or assert
  int repeats = 20;            // passes over the lines
  int workers = 1;             // threads
};

// Gives {"reward", "workers", "grades", "grades_per_s", "cpu_ms_per_grade", "p50_us", "p99_us",
// "max_us", "slowest", "scored_1", "statuses"}: "grades" is the number of lines, the CPU time is
// this process's with its children's, and "max_us" is the slowest line's fastest run, so that an
// interruption by another program does not count. Errors: kUsage for a file without lines.
nlohmann::json RunGradeBenchmark(const GradeBenchmark& benchmark);

}  // namespace cohort::rl
