#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "reward/structured/tool_call.h"

namespace cohort::reward {

// The calls of a completion, in any of the forms that chat templates give to models:
//   <tool_call> with JSON (Hermes, Qwen), with <function=..><parameter=..> (Qwen3-coder) or with
//   <arg_key>, <arg_value> (GLM); the same in the tags of Granite, Phi, Nemotron, InternLM, ...
//   <｜tool▁calls▁begin｜> (DeepSeek), <|tool_calls_section_begin|> (Kimi), [TOOL_CALLS] (Mistral),
//   <|python_tag|> and f(a=1) in brackets (Llama), <invoke name=..> (MiniMax)
//   else the whole text, or its fenced blocks of JSON: a call, a list of them, or a message of
//   OpenAI's interface with `tool_calls`
// `tools` tell which arguments written as bare text are texts. Nothing where the text has no call,
// or one of its calls is broken.
std::optional<std::vector<ToolCall>> ReadToolCalls(std::string_view text, const ToolSchemas& tools);

}  // namespace cohort::reward
