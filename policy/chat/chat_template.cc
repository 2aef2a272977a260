#include "policy/chat/chat_template.h"

#include <optional>

#include "base/error.h"
#include "policy/chat/jinja/interpreter.h"
#include "policy/chat/jinja/parser.h"

namespace cohort::policy {

struct ChatTemplate::Program {
  jinja::Body body;
  bool marks_generation = false;
  std::optional<Error> refusal;  // why it cannot be used
};

namespace {

// transformers' _normalize_chat_messages and _alias_reasoning_fields.
nlohmann::ordered_json Normalized(const nlohmann::ordered_json& messages) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const nlohmann::ordered_json& message : messages) {
    if (!message.is_object()) {
      out.push_back(message);
      continue;
    }
    nlohmann::ordered_json kept = nlohmann::ordered_json::object();
    const auto field = [&](const char* name) {
      const auto found = message.find(name);
      return found == message.end() || found->is_null() ? nullptr : &*found;
    };
    const nlohmann::ordered_json* reasoning = nullptr;
    for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
      if (reasoning == nullptr) reasoning = field(name);
    }
    if (reasoning != nullptr) kept["thinking"] = *reasoning;
    for (const auto& [name, value] : message.items()) {
      if (!value.is_null()) kept[name] = value;
    }
    if (reasoning != nullptr) kept["reasoning_content"] = *reasoning;
    out.push_back(std::move(kept));
  }
  return out;
}

}  // namespace

ChatTemplate::ChatTemplate(std::string source) : source_(std::move(source)) {
  constexpr size_t kMaxMiB = 4;  // the longest published ones have some 20 KiB
  if (source_.size() > kMaxMiB << 20) {
    throw Error(ErrorCode::kUsage, "chat template: " + std::to_string((source_.size() >> 20) + 1) +
                                       " MiB; expected at most " + std::to_string(kMaxMiB));
  }
  auto program = std::make_unique<Program>();
  jinja::TemplateParser parser(source_);
  program->body = parser.Parse();
  program->marks_generation = parser.has_generation();
  program_ = std::move(program);
}

std::shared_ptr<const ChatTemplate> ChatTemplate::Deferred(std::string source) {
  try {
    return std::make_shared<ChatTemplate>(source);
  } catch (const Error& error) {
    std::shared_ptr<ChatTemplate> refused(new ChatTemplate());
    auto program = std::make_unique<Program>();
    program->refusal = error;
    refused->source_ = std::move(source);
    refused->program_ = std::move(program);
    return refused;
  }
}

ChatTemplate::~ChatTemplate() = default;

const ChatTemplate::Program& ChatTemplate::program() const {
  if (program_->refusal.has_value()) throw *program_->refusal;
  return *program_;
}

bool ChatTemplate::marks_generation() const { return program().marks_generation; }

std::string ChatTemplate::Render(const nlohmann::ordered_json& messages, bool add_generation_prompt,
                                 const nlohmann::ordered_json& variables) const {
  return Run(messages, add_generation_prompt, variables, nullptr);
}

ChatTemplate::MarkedText ChatTemplate::RenderMarked(const nlohmann::ordered_json& messages,
                                                    bool add_generation_prompt,
                                                    const nlohmann::ordered_json& variables) const {
  MarkedText marked;
  marked.text = Run(messages, add_generation_prompt, variables, &marked.generated);
  return marked;
}

std::string ChatTemplate::Run(const nlohmann::ordered_json& messages, bool add_generation_prompt,
                              const nlohmann::ordered_json& variables,
                              std::vector<GeneratedSpan>* generated) const {
  jinja::Dict names;
  try {
    // transformers always passes these two, null when the user gives none.
    names.Set("tools", jinja::None{});
    names.Set("documents", jinja::None{});
    for (const auto& [name, value] : variables.items()) names.Set(name, jinja::FromJson(value));
    names.Set("messages", jinja::FromJson(Normalized(messages)));
    names.Set("add_generation_prompt", add_generation_prompt);
  } catch (const jinja::TemplateError& error) {
    throw Error(ErrorCode::kUsage, "chat template: " + error.message);
  }
  jinja::Interpreter interpreter(program().body, {});
  std::string text = interpreter.Render(names);
  if (generated == nullptr) return text;
  if (interpreter.lost_generation()) {
    throw Error(ErrorCode::kUsage,
                "chat template: a {% generation %} block stands inside a macro, a filter or a set",
                "then nobody can say which part of the text it wrote; move it out");
  }
  for (const jinja::TextSpan& span : interpreter.generated()) {
    generated->push_back({span.begin, span.end});
  }
  return text;
}

}  // namespace cohort::policy
