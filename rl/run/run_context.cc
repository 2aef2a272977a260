#include "rl/run/run_context.h"

#include <chrono>
#include <utility>

#include "base/seconds_since.h"
#include "rl/learner/learner.h"
#include "rl/learner/learning_rate.h"
#include "rl/recipe/enum_words.h"

namespace cohort::rl {
namespace {

LearningRateSchedule::Kind ScheduleKind(proto::RoundSpec::Schedule schedule) {
  switch (schedule) {
    case proto::RoundSpec::SCHEDULE_CONSTANT:
      break;
    case proto::RoundSpec::SCHEDULE_LINEAR:
      return LearningRateSchedule::Kind::kLinear;
    case proto::RoundSpec::SCHEDULE_COSINE:
      return LearningRateSchedule::Kind::kCosine;
  }
  return LearningRateSchedule::Kind::kConstant;
}

PublishedPolicy PolicyOf(const Learner& learner) {
  if (auto adapter = learner.Adapter()) {
    return {[&learner] { return learner.DecoderBase(); }, std::move(*adapter)};
  }
  return learner.DecoderWeights();
}

}  // namespace

std::vector<EpisodeGroup> NextEpisodeGroups(RunContext& context, const proto::RoundSpec& spec) {
  std::vector<EpisodeGroup> groups;
  RunProgress& progress = context.progress;
  for (int i = 0; i < spec.prompts_per_step(); ++i) {
    groups.push_back(NewEpisodeGroup(context.problems.Train(progress.data_cursor++),
                                     progress.next_group_id++, progress.next_sample_id,
                                     spec.group_size()));
    progress.next_sample_id += static_cast<uint64_t>(spec.group_size());
  }
  return groups;
}

std::string DescribePosition(const RunContext& context) {
  const RunProgress& progress = context.progress;
  const auto round = [&](int index) {
    return "round " + std::to_string(index + 1) + " (" +
           WordOf(context.recipe.rounds(index).kind()) + ")";
  };
  if (progress.step_in_round > 0) {
    return "step " + std::to_string(progress.step_in_round) + " of " + round(progress.round);
  }
  return progress.round == 0 ? "start" : round(progress.round - 1);
}

double PublishPolicy(RunContext& context) {
  const auto start = std::chrono::steady_clock::now();
  context.rollouts.publisher().Publish(context.progress.policy_version,
                                       [&] { return PolicyOf(context.learner); });
  return base::SecondsSince(start);
}

double NextLearningRate(const RunContext& context, const proto::RoundSpec& spec,
                        int64_t total_updates) {
  LearningRateSchedule schedule;
  schedule.kind = ScheduleKind(spec.schedule());
  schedule.peak = spec.learning_rate();
  schedule.floor = spec.final_learning_rate();
  schedule.warmup_steps = spec.warmup_steps();
  schedule.total_steps = total_updates;
  return LearningRate(schedule, context.progress.updates_in_round);
}

}  // namespace cohort::rl
