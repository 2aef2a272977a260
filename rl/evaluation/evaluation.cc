#include "rl/evaluation/evaluation.h"

#include <numeric>

#include "base/json_lines.h"
#include "policy/prompt_encoding.h"

namespace cohort::rl {
namespace {

JudgedSample Judged(const Sample& sample) {
  JudgedSample judged;
  judged.completion = sample.text;
  judged.tokens = static_cast<int64_t>(sample.ids.size());
  judged.truncated = sample.finish_reason == rollout::FinishReason::kLength;
  // The first reward is the one that says right or wrong.
  judged.judged = sample.reward_ok && !sample.components.empty() && sample.components.front().ok;
  if (judged.judged) {
    judged.score = sample.components.front().score;
    judged.answer = sample.components.front().answer;
  }
  judged.detail = judged.judged ? sample.components.front().detail : sample.reward_detail;
  return judged;
}

}  // namespace

PromptTask MakePromptTask(const policy::Model& model, const Problem& problem, uint64_t group_id,
                          uint64_t first_sample_id, int group_size) {
  policy::EncodedPrompt prompt = problem.messages.is_null()
                                     ? EncodeText(model, problem.prompt)
                                     : EncodeMessages(model, problem.messages, problem.tools);
  PromptTask task;
  task.group_id = group_id;
  task.prompt_text = problem.question;
  task.prompt_ids = std::move(prompt.ids);
  task.answer = problem.answer;
  task.columns_json = base::DumpJson(problem.columns);
  task.sample_ids.resize(static_cast<size_t>(group_size));
  std::iota(task.sample_ids.begin(), task.sample_ids.end(), first_sample_id);
  return task;
}

Evaluation Evaluate(Collector& collector, const EvaluationInputs& inputs) {
  std::vector<PromptTask> tasks;
  const int count = inputs.samples_per_problem;
  for (size_t i = 0; i < inputs.problems.size(); ++i) {
    const uint64_t first_sample = i * static_cast<uint64_t>(count);
    tasks.push_back(MakePromptTask(inputs.model, inputs.problems[i], i, first_sample, count));
  }
  CollectStats stats;
  const std::vector<Group> groups =
      collector.Collect(std::move(tasks), inputs.sampling, inputs.terms, &stats);

  Evaluation result;
  int64_t correct = 0, tokens = 0, truncated = 0, samples = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    std::vector<JudgedSample>& outcome = result.outcomes.emplace_back();
    for (const Sample& sample : groups[i].samples) {
      outcome.push_back(Judged(sample));
      ++samples;
      tokens += outcome.back().tokens;
      truncated += outcome.back().truncated ? 1 : 0;
      result.problems += outcome.back().judged ? 1 : 0;
      result.failed += !sample.reward_ok && sample.reward_applies ? 1 : 0;
      correct += outcome.back().correct() ? 1 : 0;
    }
    if (result.examples.size() < static_cast<size_t>(inputs.num_examples)) {
      result.examples.push_back({inputs.problems[i].prompt, inputs.problems[i].answer,
                                 outcome.front().completion, outcome.front().correct()});
    }
  }
  const auto share = [](int64_t part, int64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  result.accuracy = share(correct, result.problems);
  result.completion_tokens = share(tokens, samples);
  result.truncated = share(truncated, samples);
  result.wall_s = stats.wall_seconds;
  return result;
}

}  // namespace cohort::rl
