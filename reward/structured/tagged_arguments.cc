#include "reward/structured/tagged_arguments.h"

#include <algorithm>

#include "reward/structured/json_text.h"
#include "reward/text/answer_text.h"

namespace cohort::reward {
namespace {

using nlohmann::json;
using Calls = std::optional<std::vector<ToolCall>>;

// Takes what stands before `mark` off the text, and the mark; nothing where there is no mark.
std::optional<std::string_view> TakeUntil(std::string_view* text, std::string_view mark) {
  const size_t at = text->find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text->substr(0, at);
  text->remove_prefix(at + mark.size());
  return taken;
}

bool Take(std::string_view* text, std::string_view mark) {
  *text = text->substr(std::min(text->find_first_not_of(" \t\r\n"), text->size()));
  if (!text->starts_with(mark)) return false;
  text->remove_prefix(mark.size());
  return true;
}

// Templates put a value on lines of its own.
std::string_view WithoutOuterLines(std::string_view value) {
  if (value.starts_with('\n')) value.remove_prefix(1);
  if (value.ends_with('\n')) value.remove_suffix(1);
  return value;
}

// {"type": "string"} alone, or a choice of texts.
bool IsText(const ToolSchemas& tools, const std::string& tool, const std::string& argument) {
  const auto found = tools.find(tool);
  if (found == tools.end() || !found->second.is_object()) return false;
  const json properties = found->second.value("properties", json::object());
  if (!properties.is_object() || !properties.contains(argument)) return false;
  const json& schema = properties.at(argument);
  if (!schema.is_object()) return false;
  if (schema.contains("type")) return schema.at("type") == "string";
  const json choice = schema.value("enum", json::array());
  return choice.is_array() && !choice.empty() &&
         std::all_of(choice.begin(), choice.end(), [](const json& one) { return one.is_string(); });
}

json ValueOf(std::string_view raw, const ToolSchemas& tools, const ToolCall& call,
             const std::string& argument) {
  const std::string_view value = WithoutOuterLines(raw);
  if (!IsText(tools, call.name, argument)) {
    if (auto parsed = ParseJsonText(Trim(value))) return *parsed;
    for (const auto& [word, meant] :
         {std::pair("True", json(true)), {"False", json(false)}, {"None", json(nullptr)}}) {
      if (Trim(value) == word) return meant;
    }
  }
  return std::string(value);
}

bool AddArgument(std::string_view name, std::string_view value, const ToolSchemas& tools,
                 ToolCall* call) {
  const std::string key(Trim(name));
  if (key.empty() || call->arguments.contains(key)) return false;
  call->arguments[key] = ValueOf(value, tools, *call, key);
  return true;
}

struct Tags {
  std::string_view call, call_name_end, call_close;
  std::string_view argument, argument_name_end, argument_close;
};

Calls ReadTags(std::string_view text, const Tags& tags, const ToolSchemas& tools) {
  std::vector<ToolCall> calls;
  if (!TakeUntil(&text, tags.call)) return std::nullopt;
  do {
    const auto name = TakeUntil(&text, tags.call_name_end);
    if (!name) return std::nullopt;
    ToolCall call = {std::string(Trim(*name)), json::object()};
    std::string_view rest = text;
    if (Take(&rest, "{")) {  // Llama's <function=f>{"a": 1}</function>
      const auto body = TakeUntil(&text, tags.call_close);
      const auto arguments = body ? ParseJsonText(Trim(*body)) : std::nullopt;
      if (!arguments) return std::nullopt;
      call.arguments = *arguments;
      calls.push_back(std::move(call));
      continue;
    }
    while (Take(&text, tags.argument)) {
      const auto key = TakeUntil(&text, tags.argument_name_end);
      const auto value = key ? TakeUntil(&text, tags.argument_close) : std::nullopt;
      // DeepSeek's tags have more behind the name: string="true".
      if (!value || !AddArgument(key->substr(0, key->find('"')), *value, tools, &call)) {
        return std::nullopt;
      }
    }
    if (!Take(&text, tags.call_close)) return std::nullopt;
    calls.push_back(std::move(call));
  } while (TakeUntil(&text, tags.call));
  return calls;
}

}  // namespace

Calls ReadFunctionTags(std::string_view text, const ToolSchemas& tools) {
  return ReadTags(text, {"<function=", ">", "</function>", "<parameter=", ">", "</parameter>"},
                  tools);
}

Calls ReadInvokeTags(std::string_view text, const ToolSchemas& tools) {
  return ReadTags(
      text, {"<invoke name=\"", "\">", "</invoke>", "<parameter name=\"", "\">", "</parameter>"},
      tools);
}

Calls ReadKeysAndValues(std::string_view text, const ToolSchemas& tools) {
  const size_t first = std::min(text.find("<arg_key>"), text.size());
  ToolCall call = {std::string(Trim(text.substr(0, first))), json::object()};
  text.remove_prefix(first);
  const bool is_name =
      !call.name.empty() && call.name.find_first_of(" \t\r\n{}[]()<>\"'`") == std::string::npos;
  if (!is_name) return std::nullopt;
  while (Take(&text, "<arg_key>")) {
    const auto key = TakeUntil(&text, "</arg_key>");
    if (!key || !Take(&text, "<arg_value>")) return std::nullopt;
    const auto value = TakeUntil(&text, "</arg_value>");
    if (!value || !AddArgument(*key, *value, tools, &call)) return std::nullopt;
  }
  if (!Trim(text).empty()) return std::nullopt;
  return std::vector<ToolCall>{std::move(call)};
}

}  // namespace cohort::reward
