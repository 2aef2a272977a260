#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cohort::policy {

// The Jinja text that a model's folder or GGUF carries. Rendering is bounded in steps and output.
// Immutable; safe to share between threads.
class ChatTemplate {
 public:
  // kUsage with the line of the first thing that is not understood.
  explicit ChatTemplate(std::string source);
  // The same, but what is not understood is thrown where the template is first used: a model whose
  // template cannot be read still has a tokenizer and weights.
  static std::shared_ptr<const ChatTemplate> Deferred(std::string source);
  ~ChatTemplate();

  // `messages`: [{"role","content"}...]. As transformers does, fields of a message that are null
  // are left out, and reasoning is passed as reasoning_content and thinking. `variables`:
  // bos_token, eos_token, tools and whatever the user adds. Objects are rendered in their own order
  // of keys, as Python does: give ordered_json where the order shows (tools, arguments of tool
  // calls).
  std::string Render(const nlohmann::ordered_json& messages, bool add_generation_prompt,
                     const nlohmann::ordered_json& variables) const;

  struct GeneratedSpan {
    size_t begin, end;
  };
  struct MarkedText {
    std::string text;
    std::vector<GeneratedSpan> generated;  // bytes that {% generation %} blocks wrote, in order
  };
  // The same, with what the template marks as the assistant's.
  MarkedText RenderMarked(const nlohmann::ordered_json& messages, bool add_generation_prompt,
                          const nlohmann::ordered_json& variables) const;
  bool marks_generation() const;  // whether it has {% generation %} blocks

  const std::string& source() const { return source_; }

 private:
  struct Program;
  ChatTemplate() = default;
  const Program& program() const;
  std::string Run(const nlohmann::ordered_json& messages, bool add_generation_prompt,
                  const nlohmann::ordered_json& variables,
                  std::vector<GeneratedSpan>* generated) const;

  std::string source_;
  std::unique_ptr<const Program> program_;
};

}  // namespace cohort::policy
