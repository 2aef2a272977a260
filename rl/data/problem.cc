#include "rl/data/problem.h"

#include "base/exact_json.h"

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

void AddTemplateInputs(const proto::Data& data, Problem* problem) {
  problem->chat_template = data.chat_template();
  if (data.chat_template_kwargs().empty()) return;
  ordered_json& kwargs = problem->chat_template_kwargs;
  if (kwargs.is_null()) kwargs = ordered_json::object();
  for (const auto& [name, text] : data.chat_template_kwargs()) {
    if (kwargs.contains(name)) continue;
    const std::string spelled =
        text == "True" ? "true" : (text == "False" ? "false" : (text == "None" ? "null" : text));
    ordered_json value = base::ParseExactOrderedJson(spelled);
    kwargs[name] = value.is_discarded() ? ordered_json(text) : std::move(value);
  }
}

void PoseQuestion(const proto::Data& data, Problem* problem) {
  if (problem->question.empty()) problem->question = problem->prompt;
  if (data.chat()) {
    AddTemplateInputs(data, problem);
    problem->messages = ordered_json::array();
    AddInstruction(data, problem);
    problem->messages.push_back({{"role", "user"}, {"content", problem->prompt}});
  } else if (!data.instruction().empty()) {
    problem->prompt = data.instruction() + "\n" + problem->prompt;
  }
}

}  // namespace cohort::rl
