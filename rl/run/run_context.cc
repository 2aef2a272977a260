#include "rl/run/round_context.h"

#include "rl/learner/learning_rate.h"

namespace cohort::rl {

std::vector<PromptTask> NextPromptTasks(RoundContext& context, const proto::Round& round) {
  std::vector<PromptTask> tasks;
  RunProgress& progress = context.progress;
  for (int i = 0; i < round.prompts_per_step(); ++i) {
    const Problem problem = context.problems.Train(progress.data_cursor++);
    tasks.push_back(MakePromptTask(context.model, problem, progress.next_group_id++,
                                   progress.next_sample_id, round.group_size()));
    progress.next_sample_id += static_cast<uint64_t>(round.group_size());
  }
  return tasks;
}

double RoundLearningRate(const proto::Round& round, int64_t update) {
  LearningRateSchedule schedule;
  schedule.kind = ParseScheduleKind(round.schedule());
  schedule.peak = round.learning_rate();
  schedule.floor = round.final_learning_rate();
  schedule.warmup_steps = round.warmup_steps();
  const int updates = round.kind() == "grpo" ? round.updates_per_step() : 1;
  schedule.total_steps = int64_t{round.steps()} * updates;
  return LearningRate(schedule, update);
}

}  // namespace cohort::rl
