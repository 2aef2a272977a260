// Any text as a chat template: a rendering within its bounds, or an error that blames the template.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "policy/chat/jinja/interpreter.h"
#include "policy/chat/jinja/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace jinja = cohort::policy::jinja;
  static const auto messages = nlohmann::ordered_json::parse(
      R"([{"role":"system","content":"S"},{"role":"user","content":" hi \u00e9 "},
          {"role":"assistant","content":"<think>x</think>y","tool_calls":[{"name":"f","arguments":
          {"b":1,"a":[1.5,null,true]}}]}])");
  jinja::RenderLimits limits;
  limits.steps = 20'000;
  limits.output_bytes = size_t{1} << 20;
  limits.total_bytes = size_t{8} << 20;
  try {
    jinja::TemplateParser parser(std::string(reinterpret_cast<const char*>(data), size));
    const jinja::Body body = parser.Parse();
    jinja::Dict names;
    names.Set("messages", jinja::FromJson(messages));
    names.Set("tools", jinja::FromJson(messages));
    names.Set("add_generation_prompt", true);
    names.Set("bos_token", "<s>");
    const std::string text = jinja::Interpreter(body, limits).Render(names);
    if (text.size() > limits.output_bytes) __builtin_trap();
  } catch (const cohort::Error& error) {
    if (error.code() != cohort::ErrorCode::kUsage) throw;
  }
  return 0;
}
