#include "rl/evaluation/report.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/json_lines.h"
#include "base/nearest_name.h"
#include "base/printable_text.h"
#include "rl/evaluation/elo.h"
#include "rl/evaluation/majority_vote.h"
#include "rl/evaluation/statistics.h"

namespace cohort::rl {
namespace {

using nlohmann::ordered_json;

using Samples = std::vector<std::vector<JudgedEpisode>>;  // of each problem

// The judged samples of some problems.
struct Judged {
  std::vector<Verdicts> verdicts;
  std::vector<AnswerVotes> votes;  // empty where the reward finds no answers, which could vote
};

Judged JudgedOf(const Samples& outcomes) {
  Judged judged;
  bool grouped = false;
  for (const auto& samples : outcomes) {
    Verdicts& verdicts = judged.verdicts.emplace_back();
    AnswerVotes& votes = judged.votes.emplace_back();
    std::map<int64_t, int64_t> others;
    for (const JudgedEpisode& sample : samples) {
      if (!sample.judged()) continue;
      grouped |= sample.answer_group >= 0;
      verdicts.push_back(sample.correct());
      ++(sample.correct() ? votes.right : others[sample.answer_group]);
    }
    for (const auto& [group, count] : others) votes.others.push_back(count);
  }
  if (!grouped) judged.votes.clear();
  return judged;
}

size_t MostSamples(const std::vector<Verdicts>& problems) {
  size_t most = 0;
  for (const Verdicts& problem : problems) most = std::max(most, problem.size());
  return most;
}

const nlohmann::json& Column(const Problem& problem, const std::string& name) {
  const auto found = problem.columns.find(name);
  if (found != problem.columns.end()) return *found;
  std::vector<std::string> names;
  for (const auto& [key, value] : problem.columns.items()) names.push_back(key);
  throw Error(ErrorCode::kUsage,
              "a problem has no column '" + name + "'" + base::DidYouMean(name, names));
}

void AddAtK(const std::string& name, int64_t k, const Estimate& estimate, ordered_json* report) {
  const std::string key = std::to_string(k);
  (*report)[name][key] = estimate.mean;
  (*report)[name + "_confidence_95"][key] = {estimate.low, estimate.high};
}

// pass@k and maj@k for those of `ks` that a problem has the samples for.
ordered_json Describe(const Judged& judged, const std::vector<int64_t>& ks) {
  const Estimate estimate = PassAtOne(judged.verdicts);
  ordered_json out = {{"problems", judged.verdicts.size()},
                      {"accuracy", estimate.mean},
                      {"standard_error", estimate.standard_error},
                      {"confidence_95", {estimate.low, estimate.high}}};
  const auto most = static_cast<int64_t>(MostSamples(judged.verdicts));
  for (const int64_t k : ks) {
    if (k > most) continue;
    AddAtK("pass_at_k", k, MeanPassAtK(judged.verdicts, k), &out);
    if (!judged.votes.empty()) AddAtK("maj_at_k", k, MeanMajAtK(judged.votes, k), &out);
  }
  return out;
}

ordered_json DescribeBy(const std::vector<Problem>& problems, const Judged& judged,
                        const std::string& column, const std::vector<int64_t>& ks) {
  std::map<std::string, Judged> groups;
  for (size_t i = 0; i < problems.size(); ++i) {
    const nlohmann::json& value = Column(problems[i], column);
    Judged& group = groups[value.is_string() ? value.get<std::string>() : base::DumpJson(value)];
    group.verdicts.push_back(judged.verdicts[i]);
    if (!judged.votes.empty()) group.votes.push_back(judged.votes[i]);
  }
  ordered_json out = ordered_json::object();
  for (const auto& [value, group] : groups) out[value] = Describe(group, ks);
  return out;
}

ordered_json DescribeElo(const std::vector<Problem>& problems,
                         const std::vector<Verdicts>& verdicts, const std::string& column) {
  std::vector<RatedVerdict> rated;
  for (size_t i = 0; i < problems.size(); ++i) {
    const nlohmann::json& rating = Column(problems[i], column);
    if (!rating.is_number()) {
      throw Error(ErrorCode::kUsage, "problem " + std::to_string(i + 1) + ": column '" + column +
                                         "' is " + base::DumpJson(rating) + ", expected a number");
    }
    if (verdicts[i].empty()) continue;
    const auto solved = std::count(verdicts[i].begin(), verdicts[i].end(), true);
    rated.push_back({rating.get<double>(),
                     static_cast<double>(solved) / static_cast<double>(verdicts[i].size())});
  }
  const EloEstimate elo = EstimateElo(rated);
  if (!std::isfinite(elo.rating)) {
    return {{"rating", nullptr}, {"why", elo.rating > 0 ? "all were solved" : "none was solved"}};
  }
  return {{"rating", elo.rating}, {"standard_error", elo.standard_error}};
}

}  // namespace

ordered_json ReportEvaluation(const std::vector<Problem>& problems, const Samples& outcomes,
                              const EvalReportOptions& options) {
  const Judged judged = JudgedOf(outcomes);
  const size_t most = MostSamples(judged.verdicts);
  size_t least = outcomes.empty() ? 0 : outcomes.front().size();
  for (const auto& samples : outcomes) least = std::min(least, samples.size());
  std::vector<int64_t> ks = options.ks;
  if (ks.empty() && least > 1 && least <= most) ks = {static_cast<int64_t>(least)};
  for (const int64_t k : ks) {
    if (k >= 1 && k <= static_cast<int64_t>(most)) continue;
    throw Error(ErrorCode::kUsage, "pass@" + std::to_string(k) + " needs a problem with " +
                                       std::to_string(k) + " judged samples; the most are " +
                                       std::to_string(most));
  }
  ordered_json report = Describe(judged, ks);
  for (const std::string& column : options.by) {
    report["by"][column] = DescribeBy(problems, judged, column, ks);
  }
  if (!options.rating_column.empty()) {
    report["elo"] = DescribeElo(problems, judged.verdicts, options.rating_column);
  }
  return report;
}

void WriteGradedSamples(const std::string& path, const std::vector<Problem>& problems,
                        const std::vector<std::vector<JudgedEpisode>>& outcomes) {
  std::string lines;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    for (size_t s = 0; s < outcomes[i].size(); ++s) {
      const JudgedEpisode& sample = outcomes[i][s];
      const std::optional<std::string> answer = sample.answer();
      const nlohmann::json row = {
          {"problem", i},
          {"sample", s},
          {"prompt", problems[i].prompt},
          {"answer", problems[i].answer},
          {"completion", sample.episode.completion},
          {"score", sample.judged() ? nlohmann::json(sample.score()) : nlohmann::json()},
          {"detail", sample.detail()},
          {"extracted", answer ? nlohmann::json(*answer) : nlohmann::json()},
          {"answer_group",
           sample.answer_group >= 0 ? nlohmann::json(sample.answer_group) : nlohmann::json()},
          {"truncated", sample.episode.truncated()}};
      lines += base::PrintableJson(base::DumpJson(row)) + "\n";
    }
  }
  base::WriteFileDurably(path, lines);
}

}  // namespace cohort::rl
