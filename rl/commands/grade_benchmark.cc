#include "rl/commands/grade_benchmark.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/json_lines.h"
#include "reward/registry.h"
#include "rl/commands/grade_sample.h"

namespace cohort::rl {
namespace {

using base::Json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::minutes kLimit{2};

// The smallest program of each mode: what is measured is the judge.
Json SmallProgram(const std::string& mode) {
  if (mode == "stdin") {
    return {{"mode", mode},
            {"code", "a, b = map(int, input().split())\nprint(a + b)"},
            {"tests", {{{"stdin", "1 2\n"}, {"stdout", "3\n"}}}}};
  }
  Json row = {{"mode", mode}, {"entry", "add"}, {"code", "def add(a, b):\n    return a + b"}};
  if (mode == "call") {
    row["tests"] = Json::array({{{"args", {1, 2}}, {"expected", 3}}});
  } else {
    row["tests"] = Json::array({"assert add(1, 2) == 3"});
  }
  return row;
}

std::string BoxedResponse(const std::string& answer) {
  return "Let us work it out. First we simplify, then we solve for the unknown.\n\nTherefore, the "
         "final answer is $\\boxed{" +
         answer + "}$.";
}

std::vector<reward::Sample> ReadSamples(const std::string& path) {
  std::vector<reward::Sample> samples;
  std::vector<std::string> answers;
  base::ForEachJsonLine(path, [&](const Json& row, int) {
    const bool dataset = !row.contains("gold") && row.contains("answer");
    if (!dataset) {
      samples.push_back(ToSample(row));
    } else {
      answers.push_back(TextOf(row["answer"]));
    }
  });
  for (size_t i = 0; i < answers.size(); ++i) {
    for (const size_t shown : {i, (i + 1) % answers.size()}) {
      reward::Sample sample;
      sample.set_answer(answers[i]);
      sample.set_completion(BoxedResponse(answers[shown]));
      samples.push_back(std::move(sample));
    }
  }
  if (samples.empty()) throw Error(ErrorCode::kUsage, path + ": no lines to grade");
  return samples;
}

double CpuSeconds() {
  double seconds = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage = {};
    getrusage(who, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
      seconds += static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    }
  }
  return seconds;
}

// Times and grades, which all threads add to.
struct Measured {
  explicit Measured(size_t lines) : best_us(lines, 1e12) {}

  void Add(size_t line, double us, const reward::Grade& grade) {
    const std::lock_guard lock(mutex);
    const bool first = best_us[line] == 1e12;
    best_us[line] = std::min(best_us[line], us);
    if (!first) return;
    ++statuses[reward::StatusName(grade.status)];
    scored_1 += grade.status == reward::STATUS_OK && grade.score == 1 ? 1 : 0;
  }

  std::mutex mutex;
  std::vector<double> best_us;  // of each line
  std::map<std::string, int> statuses;
  int scored_1 = 0;
};

// A grade that was remembered says nothing of the judge's speed.
std::map<std::string, std::string> OptionsWithoutMemory(const GradeBenchmark& benchmark) {
  std::map<std::string, std::string> options = benchmark.options;
  for (const reward::OptionInfo& option : reward::FindReward(benchmark.reward).options) {
    if (option.name == "cache") options.try_emplace("cache", "false");
  }
  return options;
}

void GradeAll(const reward::Grader& grader, const std::vector<reward::Sample>& samples,
              const GradeBenchmark& benchmark, Measured* measured) {
  const size_t total = samples.size() * static_cast<size_t>(benchmark.repeats);
  std::atomic<size_t> next = 0;
  std::vector<std::jthread> threads;
  for (int worker = 0; worker < benchmark.workers; ++worker) {
    threads.emplace_back([&] {
      for (size_t i = next++; i < total; i = next++) {
        const size_t line = i % samples.size();
        const Clock::time_point start = Clock::now();
        const reward::Grade grade = grader.Score(samples[line], reward::Budget(kLimit));
        const std::chrono::duration<double, std::micro> taken = Clock::now() - start;
        measured->Add(line, taken.count(), grade);
      }
    });
  }
}

}  // namespace

nlohmann::json RunGradeBenchmark(const GradeBenchmark& benchmark) {
  const auto grader = reward::MakeGrader(benchmark.reward, OptionsWithoutMemory(benchmark));
  const std::vector<reward::Sample> samples =
      benchmark.input.empty() ? std::vector<reward::Sample>{ToSample(SmallProgram(benchmark.mode))}
                              : ReadSamples(benchmark.input);
  grader->Score(samples.front(), reward::Budget(kLimit));  // what starts once has started
  Measured measured(samples.size());
  const double cpu_before = CpuSeconds();
  const Clock::time_point begin = Clock::now();
  GradeAll(*grader, samples, benchmark, &measured);
  const std::chrono::duration<double> wall = Clock::now() - begin;
  const auto count = static_cast<double>(samples.size()) * benchmark.repeats;
  const auto slowest =
      static_cast<size_t>(std::max_element(measured.best_us.begin(), measured.best_us.end()) -
                          measured.best_us.begin());
  std::vector<double> sorted = measured.best_us;
  std::sort(sorted.begin(), sorted.end());
  return {{"reward", benchmark.reward},
          {"workers", benchmark.workers},
          {"grades", samples.size()},
          {"grades_per_s", count / wall.count()},
          {"cpu_ms_per_grade", 1e3 * (CpuSeconds() - cpu_before) / count},
          {"p50_us", sorted[sorted.size() / 2]},
          {"p99_us", sorted[sorted.size() * 99 / 100]},
          {"max_us", sorted.back()},
          {"slowest", reward::Quote(samples[slowest].answer())},
          {"scored_1", measured.scored_1},
          {"statuses", measured.statuses}};
}

}  // namespace cohort::rl
