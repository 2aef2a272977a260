#pragma once

// The public benchmarks that `cohort eval` knows by the columns of their files: how their problems
// are posed and graded where the command line does not say otherwise.

#include <filesystem>
#include <string>
#include <vector>

namespace cohort::rl {

struct BenchmarkData {
  std::string name;                  // e.g. "GSM8K"
  std::vector<std::string> columns;  // by which its rows are known
  std::string answer_has;            // and by this within the answer, where not empty
  std::string prompt_field;
  std::string prompt_template;  // of rl/data/prompt_template.h
  std::string reward;
};

const std::vector<BenchmarkData>& KnownBenchmarks();

// By the first row of the file; nullptr for a file of another kind. Errors: kEnvironment for a file
// that cannot be read.
const BenchmarkData* FindBenchmark(const std::filesystem::path& data);

}  // namespace cohort::rl
