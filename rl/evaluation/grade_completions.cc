#include "rl/evaluation/grade_completions.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/json_lines.h"
#include "reward/registry.h"
#include "reward/service/scorer.h"

namespace cohort::rl {
namespace {

std::vector<std::string> CompletionsOf(const base::Json& row) {
  const auto text = [](const base::Json& value) {
    if (!value.is_string()) throw Error(ErrorCode::kUsage, "a completion is not a text");
    return value.get<std::string>();
  };
  std::vector<std::string> completions;
  if (row.contains("completion")) return {text(row["completion"])};
  if (row.contains("completions") && row["completions"].is_array()) {
    for (const base::Json& one : row["completions"]) completions.push_back(text(one));
  }
  if (completions.empty()) {
    throw Error(ErrorCode::kUsage, "neither 'completion' nor a list 'completions' is there");
  }
  return completions;
}

}  // namespace

std::vector<std::vector<std::string>> ReadCompletions(const std::filesystem::path& path,
                                                      size_t problems, size_t wanted) {
  std::vector<std::vector<std::string>> completions;
  base::ForEachJsonLine(
      path, [&](const base::Json& row, int) { completions.push_back(CompletionsOf(row)); });
  if (completions.size() == problems || completions.size() == wanted) {
    completions.resize(wanted);
    return completions;
  }
  throw Error(ErrorCode::kUsage,
              path.string() + " has completions of " + std::to_string(completions.size()) +
                  " problems, expected one line for each of " + std::to_string(problems));
}

std::vector<std::vector<JudgedEpisode>> GradeCompletions(
    const std::vector<Problem>& problems, const std::vector<std::vector<std::string>>& completions,
    const reward::RewardTerm& term, std::chrono::milliseconds limit) {
  std::vector<reward::Sample> samples;
  std::vector<Episode*> places;
  std::vector<std::vector<JudgedEpisode>> outcomes(problems.size());
  for (size_t i = 0; i < problems.size(); ++i) {
    outcomes[i].resize(completions[i].size());
    const std::string columns_json = base::DumpJson(problems[i].columns);
    for (size_t j = 0; j < completions[i].size(); ++j) {
      Episode& episode = outcomes[i][j].episode;
      episode.completion = completions[i][j];
      places.push_back(&episode);
      samples.push_back(ToRewardSample(problems[i], columns_json, completions[i][j]));
      samples.back().set_sample_id(samples.size());
    }
  }
  std::vector<const reward::Sample*> asked;
  for (const reward::Sample& sample : samples) asked.push_back(&sample);
  auto terms = std::make_shared<reward::Terms>();
  terms->push_back(
      {term.name(), 1.0,
       reward::MakeGrader(term.name(), {term.options().begin(), term.options().end()})});
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  reward::Scorer scorer({.workers = cores});
  auto verdicts = scorer.ScoreAll(std::move(terms), std::move(asked), limit);
  for (size_t i = 0; i < verdicts.size(); ++i) places[i]->verdict = std::move(verdicts[i]);
  return outcomes;
}

}  // namespace cohort::rl
