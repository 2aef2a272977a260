#include "rl/run/rejection_sampling.h"

#include <set>

#include "base/durable_file.h"
#include "base/json_lines.h"

namespace cohort::rl {
namespace {

std::filesystem::path AnswersPath(const std::filesystem::path& run_folder, int round) {
  return run_folder / ("verified-round-" + std::to_string(round + 1) + ".jsonl");
}

}  // namespace

VerifiedAnswers CollectVerifiedAnswers(RoundContext& context, const proto::Round& round) {
  context.fleet.Publish(context.learner.DecoderWeights(), context.progress.policy_version);
  CollectStats stats;
  VerifiedAnswers answers;
  for (const Group& group : context.fleet.Collect(NextPromptTasks(context, round), &stats)) {
    std::set<std::vector<int32_t>> seen;
    for (const Sample& sample : group.samples) {
      ++answers.sampled;
      const bool good = sample.reward_ok && sample.reward >= round.min_reward() &&
                        sample.finish_reason == rollout::FinishReason::kStop;
      if (good && seen.insert(sample.ids).second) {
        answers.kept.push_back({group.task.prompt_ids, sample.ids});
      }
    }
  }
  return answers;
}

void WriteVerifiedAnswers(const std::filesystem::path& run_folder, int round,
                          const std::vector<Demonstration>& answers) {
  base::DurableFile file(AnswersPath(run_folder, round));
  for (const Demonstration& answer : answers) {
    file.Write(
        base::Json{{"prompt_ids", answer.prompt_ids}, {"completion_ids", answer.completion_ids}}
            .dump() +
        "\n");
  }
  file.Commit();
}

std::vector<Demonstration> ReadVerifiedAnswers(const std::filesystem::path& run_folder, int round) {
  std::vector<Demonstration> answers;
  base::ForEachJsonLine(AnswersPath(run_folder, round), [&](const base::Json& row, int) {
    answers.push_back({row.at("prompt_ids").get<std::vector<int32_t>>(),
                       row.at("completion_ids").get<std::vector<int32_t>>()});
  });
  return answers;
}

}  // namespace cohort::rl
