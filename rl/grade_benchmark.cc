#include "rl/grade_benchmark.h"

#include <sys/resource.h>

#include <chrono>
#include <latch>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "base/json_lines.h"
#include "reward/registry.h"
#include "reward/scorer.h"
#include "rl/grade_sample.h"

namespace cohort::rl {
namespace {

using base::Json;

// The smallest program of each mode: what is measured is the judge.
Json SmallSample(const std::string& mode) {
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

std::vector<reward::Sample> Samples(const GradeBenchmark& benchmark) {
  std::vector<reward::Sample> rows;
  if (benchmark.input.empty()) {
    rows.push_back(ToSample(SmallSample(benchmark.mode)));
  } else {
    base::ForEachJsonLine(benchmark.input,
                          [&](const Json& row, int) { rows.push_back(ToSample(row)); });
  }
  if (rows.empty()) throw Error(ErrorCode::kUsage, benchmark.input + " has no lines");
  std::vector<reward::Sample> samples;
  for (int i = 0; i < benchmark.samples; ++i) {
    samples.push_back(rows[static_cast<size_t>(i) % rows.size()]);
    samples.back().set_sample_id(static_cast<uint64_t>(i) + 1);
  }
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

struct Outcome {
  std::map<std::string, int> statuses;
  int full_scores = 0;
};

Outcome Score(reward::Scorer* scorer, const std::shared_ptr<const reward::Terms>& terms,
              const std::vector<reward::Sample>& samples) {
  Outcome outcome;
  std::mutex mutex;
  const auto done = std::make_shared<std::latch>(1);
  const auto batch = std::make_shared<reward::ScoreBatch>();
  batch->terms = terms;
  batch->term_limit = std::chrono::minutes(2);
  for (const reward::Sample& sample : samples) batch->samples.push_back(&sample);
  batch->on_verdict = [&](size_t, const reward::Verdict& verdict) {
    const std::lock_guard lock(mutex);
    ++outcome.statuses[reward::StatusName(verdict.status())];
    outcome.full_scores += verdict.score() == 1;
  };
  batch->on_done = [done] { done->count_down(); };
  scorer->Submit(batch);
  done->wait();
  return outcome;
}

}  // namespace

nlohmann::json RunGradeBenchmark(const GradeBenchmark& benchmark) {
  const std::vector<reward::Sample> samples = Samples(benchmark);
  auto terms = std::make_shared<reward::Terms>();
  terms->push_back(
      {benchmark.reward, 1.0, reward::MakeGrader(benchmark.reward, benchmark.options)});
  reward::Scorer scorer({.workers = benchmark.workers});
  Score(&scorer, terms, {samples.begin(), samples.begin() + 1});  // what starts once has started
  const double cpu_before = CpuSeconds();
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = Score(&scorer, terms, samples);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  const double count = static_cast<double>(samples.size());
  return {{"reward", benchmark.reward},
          {"samples", samples.size()},
          {"workers", benchmark.workers},
          {"samples_per_s", count / wall.count()},
          {"cpu_ms_per_sample", 1e3 * (CpuSeconds() - cpu_before) / count},
          {"scored_1", outcome.full_scores},
          {"statuses", outcome.statuses}};
}

}  // namespace cohort::rl
