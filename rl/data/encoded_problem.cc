#include "rl/data/encoded_problem.h"

#include <utility>

#include "base/error.h"
#include "base/json_lines.h"

namespace cohort::rl {

policy::TemplateInputs ToTemplateInputs(const Problem& problem) {
  return {problem.tools, problem.chat_template_kwargs, problem.chat_template};
}

std::shared_ptr<const EncodedProblem> EncodeProblem(const policy::Model& model, Problem problem) {
  const bool chat = !problem.messages.is_null();
  if (!chat && !problem.chat_template.empty()) {
    throw Error(ErrorCode::kUsage,
                "data.chat_template is " + problem.chat_template + ", but the prompt is no chat",
                "set data.chat=true, or leave data.chat_template out");
  }
  policy::EncodedPrompt prompt =
      chat ? policy::EncodeMessages(model, problem.messages, ToTemplateInputs(problem))
           : policy::EncodeText(model, problem.prompt);
  auto encoded = std::make_shared<EncodedProblem>();
  encoded->prompt_ids = std::move(prompt.ids);
  encoded->columns_json = base::DumpJson(problem.columns);
  encoded->problem = std::move(problem);
  return encoded;
}

}  // namespace cohort::rl
