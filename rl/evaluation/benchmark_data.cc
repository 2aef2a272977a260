#include "rl/evaluation/benchmark_data.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cohort::rl {
namespace {

// As DeepSeek-R1's and Qwen2.5-Math's model cards ask for.
constexpr char kStepByStep[] =
    "\nPlease reason step by step, and put your final answer within \\boxed{}.";

nlohmann::json FirstRow(const std::filesystem::path& data) {
  errno = 0;
  std::ifstream file(data);
  std::error_code none;
  if (!file || std::filesystem::is_directory(data, none)) {
    throw Error(ErrorCode::kEnvironment,
                "cannot read " + data.string() + ": " + std::strerror(errno != 0 ? errno : EISDIR));
  }
  std::string line;
  while (std::getline(file, line) && line.find_first_not_of(" \t\r") == std::string::npos) {
  }
  return nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
}

bool Fits(const BenchmarkData& benchmark, const nlohmann::json& row) {
  for (const std::string& column : benchmark.columns) {
    if (!row.contains(column)) return false;
  }
  if (benchmark.answer_has.empty()) return true;
  const auto& answer = row["answer"];
  return answer.is_string() &&
         answer.get<std::string>().find(benchmark.answer_has) != std::string::npos;
}

}  // namespace

const std::vector<BenchmarkData>& KnownBenchmarks() {
  static const std::vector<BenchmarkData> benchmarks = {
      {"GSM8K",
       {"question", "answer"},
       "####",
       "question",
       std::string("{question}") + kStepByStep,
       "math"},
      {"MATH",
       {"problem", "solution", "answer"},
       "",
       "problem",
       std::string("{problem}") + kStepByStep,
       "math"},
      {"HumanEval",
       {"prompt", "entry_point", "test"},
       "",
       "prompt",
       "Complete this Python function. Write the whole function, its imports included, in one "
       "```python block.\n\n```python\n{prompt}```",
       "code"},
      // The tests show what the function is called (arXiv 2108.07732, section 3.1).
      {"MBPP",
       {"prompt", "test_list"},
       "",
       "prompt",
       "{prompt} Write it in Python, in one ```python block. It must pass these "
       "tests:\n\n{test_list}",
       "code"}};
  return benchmarks;
}

const BenchmarkData* FindBenchmark(const std::filesystem::path& data) {
  if (data == "-") return nullptr;  // read once
  const nlohmann::json row = FirstRow(data);
  if (!row.is_object()) return nullptr;
  for (const BenchmarkData& benchmark : KnownBenchmarks()) {
    if (Fits(benchmark, row)) return &benchmark;
  }
  return nullptr;
}

}  // namespace cohort::rl
