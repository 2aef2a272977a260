#include "rl/data/encoded_problem.h"

#include <utility>

#include "base/json_lines.h"
#include "policy/prompt_encoding.h"

namespace cohort::rl {

std::shared_ptr<const EncodedProblem> EncodeProblem(const policy::Model& model, Problem problem) {
  policy::EncodedPrompt prompt =
      problem.messages.is_null()
          ? policy::EncodeText(model, problem.prompt)
          : policy::EncodeMessages(model, problem.messages,
                                   {problem.tools, problem.chat_template_kwargs});
  auto encoded = std::make_shared<EncodedProblem>();
  encoded->prompt_ids = std::move(prompt.ids);
  encoded->columns_json = base::DumpJson(problem.columns);
  encoded->problem = std::move(problem);
  return encoded;
}

}  // namespace cohort::rl
