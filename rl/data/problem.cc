#include "rl/data/problem.h"

namespace cohort::rl {

using nlohmann::ordered_json;

reward::Sample ToRewardSample(const Problem& problem, const std::string& columns_json,
                              const std::string& completion) {
  reward::Sample sample;
  sample.set_prompt(problem.question);
  sample.set_completion(completion);
  sample.set_answer(problem.answer);
  sample.set_columns_json(columns_json);
  return sample;
}

void AddInstruction(const proto::Data& data, Problem* problem) {
  if (data.instruction().empty()) return;
  problem->messages.push_back({{"role", "system"}, {"content", data.instruction()}});
}

void PoseQuestion(const proto::Data& data, Problem* problem) {
  if (problem->question.empty()) problem->question = problem->prompt;
  if (data.chat()) {
    problem->messages = ordered_json::array();
    AddInstruction(data, problem);
    problem->messages.push_back({{"role", "user"}, {"content", problem->prompt}});
  } else if (!data.instruction().empty()) {
    problem->prompt = data.instruction() + "\n" + problem->prompt;
  }
}

}  // namespace cohort::rl
