#include "policy/chat_template.h"

#include "base/error.h"
#include "policy/jinja_interpreter.h"
#include "policy/jinja_parser.h"

namespace cohort::policy {

struct ChatTemplate::Program {
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::string source) : source_(std::move(source)) {
  auto program = std::make_unique<Program>();
  program->body = jinja::Parser(source_).Parse();
  program_ = std::move(program);
}

ChatTemplate::~ChatTemplate() = default;

std::string ChatTemplate::Render(const nlohmann::json& messages, bool add_generation_prompt,
                                 const nlohmann::json& variables) const {
  jinja::Dict names;
  try {
    // transformers always passes these two, null when the user gives none.
    names.Set("tools", jinja::None{});
    names.Set("documents", jinja::None{});
    for (const auto& [name, value] : variables.items()) names.Set(name, jinja::FromJson(value));
    names.Set("messages", jinja::FromJson(messages));
    names.Set("add_generation_prompt", add_generation_prompt);
  } catch (const jinja::TemplateError& error) {
    throw Error(ErrorCode::kUsage, "chat template: " + error.message);
  }
  return jinja::Interpreter(program_->body, {}).Render(names);
}

}  // namespace cohort::policy
