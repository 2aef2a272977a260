#include "reward/structured/tool_calls.h"

#include <algorithm>

#include "reward/structured/json_text.h"
#include "reward/structured/python_calls.h"
#include "reward/structured/tagged_arguments.h"
#include "reward/text/answer_text.h"
#include "reward/text/fenced_blocks.h"

namespace cohort::reward {
namespace {

using nlohmann::json;
using Calls = std::optional<std::vector<ToolCall>>;

// Marks that end a turn; a completion may show them.
constexpr std::string_view kTurnEnds[] = {
    "<|im_end|>",      "<|eot_id|>",           "<|eom_id|>", "</s>",
    "<|end|>",         "<|endoftext|>",        "<|call|>",   "<|user|>",
    "<|observation|>", "<｜end▁of▁sentence｜>"};

std::string_view WithoutTurnEnd(std::string_view text) {
  text = Trim(text);
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view end : kTurnEnds) {
      if (!text.ends_with(end)) continue;
      text = Trim(text.substr(0, text.size() - end.size()));
      again = true;
    }
  }
  return text;
}

// {"a": 1}, or the same as text, as OpenAI's interface has it.
json ArgumentsOf(const json& call) {
  for (const char* const key : {"arguments", "parameters", "input"}) {
    const auto found = call.find(key);
    if (found == call.end()) continue;
    if (found->is_null()) break;
    if (!found->is_string()) return *found;
    return ParseJsonText(found->get_ref<const std::string&>()).value_or(*found);
  }
  return json::object();
}

bool AddJsonCall(const json& value, std::vector<ToolCall>* calls) {
  if (value.is_array()) {
    return std::all_of(value.begin(), value.end(),
                       [&](const json& one) { return AddJsonCall(one, calls); });
  }
  if (!value.is_object()) return false;
  if (value.contains("tool_calls")) {
    return value["tool_calls"].is_array() && AddJsonCall(value["tool_calls"], calls);
  }
  const bool wrapped = value.contains("function") && value["function"].is_object();
  const json& call = wrapped ? value["function"] : value;
  for (const char* const key : {"name", "tool_name"}) {
    if (!call.contains(key) || !call[key].is_string()) continue;
    calls->push_back({call[key], ArgumentsOf(call)});
    return true;
  }
  return false;
}

// Where the object or list that begins at `begin` ends; npos where it does not.
size_t EndOfJson(std::string_view text, size_t begin) {
  int open = 0;
  bool in_text = false;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      in_text = c != '"';
    } else if (c == '"') {
      in_text = true;
    } else if (c == '{' || c == '[') {
      ++open;
    } else if ((c == '}' || c == ']') && --open <= 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// One JSON value, or several behind one another with blanks, ',' or ';' between them.
Calls ReadJsonCalls(std::string_view text) {
  std::vector<ToolCall> calls;
  for (size_t at = 0;;) {
    const size_t begin = text.find_first_not_of(" \t\r\n;,", at);
    if (begin == std::string_view::npos) break;
    at = text[begin] == '{' || text[begin] == '[' ? EndOfJson(text, begin) : text.npos;
    if (at == std::string_view::npos) return std::nullopt;
    const auto value = ParseJsonText(text.substr(begin, at - begin));
    if (!value || !AddJsonCall(*value, &calls)) return std::nullopt;
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

// name{"a": 1}, with what stands between them as `separators` have it.
Calls ReadNamedJson(std::string_view text, std::string_view separator) {
  const size_t brace = text.find('{');
  if (brace == std::string_view::npos) return std::nullopt;
  std::string_view name = Trim(text.substr(0, brace));
  if (!separator.empty()) {
    const size_t at = name.find(separator);
    if (at == std::string_view::npos) return std::nullopt;
    name = Trim(name.substr(0, at));
  }
  const auto arguments = ParseJsonText(Trim(text.substr(brace)));
  if (name.empty() || name.find_first_of(" \t\r\n\"'[]()") != std::string_view::npos ||
      !arguments) {
    return std::nullopt;
  }
  return std::vector<ToolCall>{{std::string(name), *arguments}};
}

// Reads the text between the tags of a call.
Calls ReadBody(std::string_view body, const ToolSchemas& tools) {
  body = Trim(body);
  if (body.starts_with("<function=")) return ReadFunctionTags(body, tools);
  if (body.starts_with("<invoke ")) return ReadInvokeTags(body, tools);
  if (body.starts_with('{')) return ReadJsonCalls(body);
  if (auto calls = ReadJsonCalls(body)) return calls;
  if (auto calls = ReadPythonCalls(body)) return calls;
  return ReadKeysAndValues(body, tools);
}

struct Wrapper {
  std::string_view open, close;
  bool may_stay_open = false;  // the turn's end closes it too
};

constexpr Wrapper kWrappers[] = {
    {"<tool_call>", "</tool_call>"},
    {"<|tool_call|>", "<|/tool_call|>", true},
    {"<|tool_call_start|>", "<|tool_call_end|>"},
    {"<tool_calls>", "</tool_calls>"},
    {"<TOOLCALL>", "</TOOLCALL>"},
    {"<function_calls>", "</function_calls>"},
    {"<seed:tool_call>", "</seed:tool_call>"},
    {"<minimax:tool_call>", "</minimax:tool_call>"},
    {"<|START_ACTION|>", "<|END_ACTION|>"},
    {"<|action_start|><|plugin|>", "<|action_end|>"},
    {"<functioncall>", "</functioncall>", true},
    {"<|python_tag|>", "<|python_tag|>", true},
};

void Append(std::vector<ToolCall> more, std::vector<ToolCall>* calls) {
  for (ToolCall& call : more) calls->push_back(std::move(call));
}

Calls ReadWrapped(std::string_view text, const Wrapper& wrapper, const ToolSchemas& tools) {
  std::vector<ToolCall> calls;
  for (size_t at = text.find(wrapper.open); at != std::string_view::npos;
       at = text.find(wrapper.open, at)) {
    at += wrapper.open.size();
    size_t end = text.find(wrapper.close, at);
    if (end == std::string_view::npos && !wrapper.may_stay_open) return std::nullopt;
    end = std::min(end, text.size());
    auto body = ReadBody(text.substr(at, end - at), tools);
    if (!body) return std::nullopt;
    for (ToolCall& call : *body) {  // Llama's own tools: brave_search.call(query="..")
      constexpr std::string_view kCall = ".call";
      if (!call.name.ends_with(kCall) || tools.contains(call.name)) continue;
      call.name.resize(call.name.size() - kCall.size());
    }
    Append(std::move(*body), &calls);
    at = end;
  }
  return calls;
}

// A call's name and arguments between marks, trimmed.
struct MarkedCall {
  std::string_view name, body;
};
struct CallMarks {
  std::string_view begin, separator, end;
};

// nullopt: a call is not whole.
std::optional<std::vector<MarkedCall>> MarkedCalls(std::string_view text, const CallMarks& marks) {
  std::vector<MarkedCall> calls;
  size_t at = text.find(marks.begin);
  for (; at != std::string_view::npos; at = text.find(marks.begin, at)) {
    at += marks.begin.size();
    const size_t separator = text.find(marks.separator, at), end = text.find(marks.end, at);
    if (separator == std::string_view::npos || end == std::string_view::npos || separator > end) {
      return std::nullopt;
    }
    const size_t behind = separator + marks.separator.size();
    calls.push_back(
        {Trim(text.substr(at, separator - at)), Trim(text.substr(behind, end - behind))});
    at = end;
  }
  return calls;
}

// <｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME, a fence of JSON, <｜tool▁call▁end｜>; since V3.1
// <｜tool▁call▁begin｜>NAME<｜tool▁sep｜>JSON<｜tool▁call▁end｜>.
Calls ReadDeepSeek(std::string_view text) {
  const auto marked =
      MarkedCalls(text, {"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"});
  if (!marked || marked->empty()) return std::nullopt;
  std::vector<ToolCall> calls;
  for (auto [name, body] : *marked) {
    if (name == "function" && !body.starts_with('{')) {
      const size_t line = std::min(body.find('\n'), body.size());
      name = Trim(body.substr(0, line));
      body = Trim(body.substr(line));
    }
    const std::vector<FencedBlock> blocks = FencedBlocks(body);
    const auto arguments = ParseJsonText(Trim(blocks.empty() ? body : blocks.front().text));
    if (name.empty() || !arguments) return std::nullopt;
    calls.push_back({std::string(name), *arguments});
  }
  return calls;
}

// DeepSeek since V3.2: <function_calls> and what is in it, each tag so marked.
Calls ReadMarkedTags(std::string_view text, const ToolSchemas& tools) {
  constexpr std::string_view kMark = "｜DSML｜";
  std::string plain;
  for (size_t at = text.find(kMark); at != std::string_view::npos; at = text.find(kMark)) {
    plain += text.substr(0, at);
    text.remove_prefix(at + kMark.size());
  }
  plain += text;
  auto calls = ReadWrapped(plain, {"<function_calls>", "</function_calls>"}, tools);
  if (calls && calls->empty()) return std::nullopt;
  return calls;
}

// <|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>JSON<|tool_call_end|>
Calls ReadKimi(std::string_view text) {
  const auto marked = MarkedCalls(
      text, {"<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"});
  if (!marked || marked->empty()) return std::nullopt;
  std::vector<ToolCall> calls;
  for (auto [name, body] : *marked) {
    if (name.starts_with("functions.")) name.remove_prefix(std::string_view("functions.").size());
    name = name.substr(0, name.find(':'));
    const auto arguments = ParseJsonText(body);
    if (name.empty() || !arguments) return std::nullopt;
    calls.push_back({std::string(name), *arguments});
  }
  return calls;
}

// [TOOL_CALLS] with a list in JSON; since v11 once for each call: NAME{..}, NAME[ARGS]{..} or
// NAME[CALL_ID]..[ARGS]{..}.
Calls ReadMistral(std::string_view text) {
  constexpr std::string_view kOpen = "[TOOL_CALLS]";
  std::vector<ToolCall> calls;
  for (size_t at = text.find(kOpen); at != std::string_view::npos;) {
    at += kOpen.size();
    const size_t next = text.find(kOpen, at);
    const std::string_view body = Trim(text.substr(at, std::min(next, text.size()) - at));
    auto read = ReadJsonCalls(body);
    for (const char* const separator : {"[CALL_ID]", "[ARGS]", ""}) {
      if (!read) read = ReadNamedJson(body, separator);
    }
    if (!read) return std::nullopt;
    Append(std::move(*read), &calls);
    at = next;
  }
  return calls;
}

// <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>JSON<|call|>
Calls ReadHarmony(std::string_view text) {
  constexpr std::string_view kOpen = "to=functions.", kMessage = "<|message|>";
  std::vector<ToolCall> calls;
  for (size_t at = text.find(kOpen); at != std::string_view::npos; at = text.find(kOpen, at)) {
    at += kOpen.size();
    const size_t message = text.find(kMessage, at);
    if (message == std::string_view::npos) return std::nullopt;
    const std::string_view name = text.substr(at, text.find_first_of(" <", at) - at);
    const size_t behind = message + kMessage.size();
    const size_t end = std::min(text.find("<|", behind), text.size());
    const auto arguments = ParseJsonText(Trim(text.substr(behind, end - behind)));
    if (!arguments) return std::nullopt;
    calls.push_back({std::string(name), *arguments});
    at = end;
  }
  return calls;
}

// Reads a text that a tool's name begins: GLM-4's NAME, a new line, JSON, and what is left of
// Mistral's NAME[ARGS]JSON without its special tokens.
Calls ReadNamed(std::string_view text, const ToolSchemas& tools) {
  auto calls = ReadNamedJson(text, "");
  const bool known = calls && std::all_of(calls->begin(), calls->end(), [&](const ToolCall& call) {
                       return tools.contains(call.name);
                     });
  return known ? calls : std::nullopt;
}

// Reads a text without tags.
Calls ReadBare(std::string_view text, const ToolSchemas& tools) {
  if (auto calls = ReadJsonCalls(text)) return calls;
  if (auto calls = ReadNamed(text, tools)) return calls;
  if (text.starts_with('[')) {
    if (auto calls = ReadPythonCalls(text)) return calls;
  }
  std::vector<ToolCall> calls;
  for (const FencedBlock& block : FencedBlocks(text)) {
    const bool is_python = block.info == "tool_code" || block.info == "python";
    const bool is_json = block.info.empty() || block.info == "json" || block.info == "tool_call";
    if (!is_python && !is_json) continue;
    auto read = is_python ? ReadPythonCalls(block.text) : ReadJsonCalls(block.text);
    if (!read) return std::nullopt;
    Append(std::move(*read), &calls);
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

}  // namespace

Calls ReadToolCalls(std::string_view text, const ToolSchemas& tools) {
  const auto has = [&](std::string_view mark) { return text.find(mark) != std::string_view::npos; };
  text = WithoutTurnEnd(text);
  if (text.starts_with('{') || text.starts_with('[')) {  // whatever its texts hold
    if (auto calls = ReadJsonCalls(text)) return calls;
  }
  if (has("<｜DSML｜")) return ReadMarkedTags(text, tools);
  if (has("<｜tool▁call▁begin｜>")) return ReadDeepSeek(text);
  if (has("<|tool_call_begin|>")) return ReadKimi(text);
  if (has("[TOOL_CALLS]")) return ReadMistral(text);
  if (has("<|message|>") && has("to=functions.")) return ReadHarmony(text);
  for (const Wrapper& wrapper : kWrappers) {
    if (has(wrapper.open)) return ReadWrapped(text, wrapper, tools);
  }
  if (has("<function=")) return ReadFunctionTags(text, tools);
  return ReadBare(text, tools);
}

}  // namespace cohort::reward
