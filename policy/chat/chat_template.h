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
  ~ChatTemplate();

  // `messages`: [{"role","content"}...]. `variables`: bos_token, eos_token, tools and whatever the
  // user adds. Objects are rendered in their own order of keys, as Python does: give ordered_json
  // where the order shows (tools, arguments of tool calls).
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
  std::string Run(const nlohmann::ordered_json& messages, bool add_generation_prompt,
                  const nlohmann::ordered_json& variables,
                  std::vector<GeneratedSpan>* generated) const;

  std::string source_;
  std::unique_ptr<const Program> program_;
};

}  // namespace cohort::policy
