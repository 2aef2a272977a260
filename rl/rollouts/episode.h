#pragma once

// One sampled completion with its verdict: the one shape in which it goes from the rollouts to the
// learner, the records and the evaluation.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reward/reward.pb.h"
#include "rl/data/encoded_problem.h"
#include "rollout/request.h"

namespace cohort::rl {

struct Episode {
  uint64_t sample_id = 0;               // with weights, prompt and seed all that the ids depend on
  std::vector<int32_t> completion_ids;  // stop token included; empty where it came as text
  std::vector<float> rollout_logprobs;  // nats, one a completion id, as the decoder reports them
  // The experts that its tokens went to, but for the last token, which no worker computes
  // (policy/config/routing_format.h); empty where they were not asked for.
  std::string routing;
  rollout::FinishReason finish_reason = rollout::FinishReason::kStop;
  int64_t policy_version = 0;  // that it was sampled from
  std::string completion;      // text, without the stop token
  // As the reward service gave it. STATUS_OK: its score is finite. A failure is never a score of 0.
  reward::Verdict verdict;

  bool truncated() const { return finish_reason == rollout::FinishReason::kLength; }
  bool graded() const { return verdict.status() == reward::STATUS_OK; }
  // False: no reward has anything to say about it, which is no failure.
  bool reward_applies() const { return verdict.status() != reward::STATUS_NOT_APPLICABLE; }
  bool reward_failed() const { return !graded() && reward_applies(); }
  std::optional<double> reward() const {
    return graded() ? std::optional(verdict.score()) : std::nullopt;
  }
};

// The episodes of one problem, which are compared with each other.
struct EpisodeGroup {
  uint64_t group_id = 0;
  std::shared_ptr<const EncodedProblem> problem;
  std::vector<Episode> episodes;
  std::shared_ptr<const std::string> prompt_routing = {};  // as Episode::routing; null: not asked
};

// A group that is still to be sampled: sample ids first_sample_id, first_sample_id + 1, ...
EpisodeGroup NewEpisodeGroup(std::shared_ptr<const EncodedProblem> problem, uint64_t group_id,
                             uint64_t first_sample_id, int group_size);

// Before its weight; nothing where the reward failed, does not apply or is not a finite number.
std::optional<double> ComponentScore(const reward::Component& component);

// The component of that name, or the first where `name` is empty; nullptr: there is none.
const reward::Component* FindComponent(const reward::Verdict& verdict, const std::string& name);

// "TIMEOUT: the verdict's detail" for a person; the detail alone where the status is OK.
std::string DescribeVerdict(const reward::Verdict& verdict);

}  // namespace cohort::rl
