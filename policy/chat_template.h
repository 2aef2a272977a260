#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace cohort::policy {

// The Jinja text that a model's folder or GGUF carries. Rendering is bounded in steps and output.
// Immutable; safe to share between threads.
class ChatTemplate {
 public:
  // kUsage with the line of the first thing that is not understood.
  explicit ChatTemplate(std::string source);
  ~ChatTemplate();

  // `messages`: [{"role","content"}...]. `variables`: bos_token, eos_token and whatever the user
  // adds.
  std::string Render(const nlohmann::json& messages, bool add_generation_prompt,
                     const nlohmann::json& variables) const;
  const std::string& source() const { return source_; }

 private:
  struct Program;
  std::string source_;
  std::unique_ptr<const Program> program_;
};

}  // namespace cohort::policy
