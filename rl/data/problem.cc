#include "rl/data/problem.h"

namespace cohort::rl {

using nlohmann::ordered_json;

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
