#include "rl/run/reward_trial.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "policy/prompt_encoding.h"
#include "reward/grader.h"
#include "rl/rollouts/episode.h"

namespace cohort::rl {
namespace {

constexpr size_t kRows = 2, kRowsOfDoubt = 8;

// Verdicts on the rows of a trial, over all of their stand-ins.
class Trial {
 public:
  void Add(const std::vector<EpisodeGroup>& judged) {
    for (const EpisodeGroup& group : judged) {
      for (const Episode& episode : group.episodes) Note(group.problem.get(), episode.verdict);
    }
  }

  bool AnyFailsEverywhere() const {
    const auto failures = Failures();
    return std::any_of(failures.begin(), failures.end(), [](const RewardFailure& failure) {
      return failure.failed == failure.tried;
    });
  }

  std::vector<RewardFailure> Failures() const {
    std::vector<RewardFailure> failures;
    for (const auto& [reward, rows] : outcomes_) {
      RewardFailure failure{reward, 0, rows.size(), first_.at(reward)};
      for (const auto& [row, judged] : rows) failure.failed += judged ? 0 : 1;
      if (failure.failed > 0) failures.push_back(std::move(failure));
    }
    return failures;
  }

 private:
  void Note(const EncodedProblem* row, const reward::Verdict& verdict) {
    for (const reward::Component& component : verdict.components()) {
      NoteOne(component.name(), row, component.status(), component.detail());
    }
    const bool of_one =
        std::any_of(verdict.components().begin(), verdict.components().end(),
                    [](const reward::Component& component) { return Failed(component.status()); });
    if (of_one) return;  // else no service judged it, or the sum is not finite
    NoteOne("the sum of the rewards", row, verdict.status(), verdict.detail());
  }

  void NoteOne(const std::string& reward, const EncodedProblem* row, reward::Status status,
               const std::string& detail) {
    bool& judged = outcomes_[reward][row];
    judged = judged || !Failed(status);
    std::string& first = first_[reward];
    if (first.empty() && Failed(status)) {
      first = std::string(reward::StatusName(status)) + ": " + detail;
    }
  }

  std::map<std::string, std::map<const EncodedProblem*, bool>> outcomes_;  // judged by a reward?
  std::map<std::string, std::string> first_;                               // reason, by reward
};

// Each row with its stand-ins [first, last).
std::vector<EpisodeGroup> Posed(const policy::Model& model, const std::vector<SharedProblem>& rows,
                                size_t first, size_t last) {
  std::vector<SharedProblem> posed;
  std::vector<std::string> completions;
  for (const SharedProblem& row : rows) {
    const std::vector<StandIn> stand_ins = StandIns(row->problem);
    for (size_t i = first; i < std::min(last, stand_ins.size()); ++i) {
      posed.push_back(row);
      completions.push_back(stand_ins[i].text);
    }
  }
  return PoseRows(model, posed, completions);
}

}  // namespace

std::vector<StandIn> StandIns(const Problem& problem) {
  std::vector<StandIn> stand_ins;
  if (!problem.completion.empty()) {
    stand_ins.push_back({problem.completion, "the row's demonstration"});
  }
  const std::string& answer = problem.answer;
  stand_ins.push_back({"The answer is \\boxed{" + answer + "}.",
                       "the row's answer in \"The answer is \\boxed{}.\""});
  stand_ins.push_back({"<think>\n...\n</think>\n<answer>" + answer + "</answer>",
                       "the row's answer in <think> and <answer> tags"});
  stand_ins.push_back({answer, "the row's answer by itself"});
  return stand_ins;
}

std::vector<EpisodeGroup> PoseRows(const policy::Model& model,
                                   const std::vector<SharedProblem>& rows,
                                   const std::vector<std::string>& completions) {
  std::vector<EpisodeGroup> groups;
  for (size_t i = 0; i < rows.size(); ++i) {
    EpisodeGroup& group = groups.emplace_back(NewEpisodeGroup(rows[i], i, i + 1, 1));
    Episode& episode = group.episodes.front();
    episode.completion = completions[i];
    episode.completion_ids = policy::EncodeCompletion(model, completions[i]);
  }
  return groups;
}

bool Failed(reward::Status status) {
  return status != reward::STATUS_OK && status != reward::STATUS_NOT_APPLICABLE;
}

std::vector<RewardFailure> TryRewards(Rollouts& rollouts, const policy::Model& model,
                                      ProblemSource& problems) {
  const uint64_t size = problems.train_size();
  std::vector<SharedProblem> rows, others;
  for (uint64_t i = 0; i < kRowsOfDoubt && (size == 0 || i < size); ++i) {
    (i < kRows ? rows : others).push_back(problems.Train(i));
  }
  Trial trial;
  const auto pose = [&](const std::vector<SharedProblem>& some, size_t first, size_t last) {
    if (!some.empty()) trial.Add(rollouts.Judge(Posed(model, some, first, last)));
  };
  pose(rows, 0, 1);
  if (trial.AnyFailsEverywhere()) pose(rows, 1, SIZE_MAX);
  if (trial.AnyFailsEverywhere()) pose(others, 0, SIZE_MAX);
  return trial.Failures();
}

std::vector<RewardFailure> FailuresOf(const std::vector<EpisodeGroup>& judged) {
  Trial trial;
  trial.Add(judged);
  return trial.Failures();
}

void CheckRewards(const std::vector<RewardFailure>& failures, Console& console) {
  for (const RewardFailure& failure : failures) {
    const std::string rows = std::to_string(failure.tried);
    if (failure.failed == failure.tried) {
      throw Error(ErrorCode::kEnvironment,
                  "the reward '" + failure.reward + "' fails on each of the " + rows +
                      " training rows that it was tried on: " + failure.reason,
                  "mend it, then give the same command; `cohort reward try --recipe RECIPE` shows "
                  "what it says to each row");
    }
    console.Warn("the reward '" + failure.reward + "' failed on " + std::to_string(failure.failed) +
                 " of the " + rows +
                 " training rows that it was tried on; the first: " + failure.reason);
  }
}

bool SamplesCompletions(const proto::Recipe& recipe) {
  return std::any_of(recipe.rounds().begin(), recipe.rounds().end(),
                     [](const auto& spec) { return spec.kind() != proto::ROUND_KIND_SFT; });
}

FleetRollouts JudgesOf(const proto::Recipe& recipe, const policy::Model& model,
                       const std::filesystem::path& folder) {
  FleetOptions options = ToFleetOptions(recipe);
  options.rollout.set_workers(0);
  options.rollout.clear_addresses();
  return FleetRollouts(options, model, folder, FindPrograms());
}

}  // namespace cohort::rl
