// tool_call: the completion calls tools that it was given, with arguments that fit them.

#include <map>

#include "reward/registry.h"
#include "reward/text/answer_text.h"
#include "reward/text/json_schema.h"
#include "reward/text/json_text.h"

namespace cohort::reward {
namespace {

using nlohmann::json;

// The tags that the chat templates of Qwen and Hermes put around a call.
constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";

// The calls of a completion: between the tags, or the whole text as one call or a list of calls.
// nullopt when what stands there is not a call.
std::optional<std::vector<json>> ReadCalls(std::string_view text) {
  std::vector<json> calls;
  const auto add = [&](std::string_view one) {
    const auto call = ParseJsonText(Trim(one));
    if (!call.has_value() || !call->is_object() || !call->contains("name") ||
        !call->at("name").is_string()) {
      return false;
    }
    calls.push_back(*call);
    return true;
  };
  if (text.find(kOpen) == std::string_view::npos) {
    const auto whole = ParseJsonText(Trim(text));
    if (!whole.has_value()) return std::nullopt;
    if (!whole->is_array()) return add(text) ? std::optional(calls) : std::nullopt;
    for (const json& one : *whole) {
      if (!add(one.dump(-1, ' ', false, json::error_handler_t::replace))) return std::nullopt;
    }
    return calls;
  }
  for (size_t at = text.find(kOpen); at != std::string_view::npos; at = text.find(kOpen, at)) {
    at += kOpen.size();
    const size_t end = text.find(kClose, at);
    if (end == std::string_view::npos || !add(text.substr(at, end - at))) return std::nullopt;
    at = end;
  }
  return calls;
}

// {"arguments": {...}}, or the same as text, as OpenAI's interface has it.
json ArgumentsOf(const json& call) {
  json arguments = call.value("arguments", call.value("parameters", json::object()));
  if (!arguments.is_string()) return arguments;
  return ParseJsonText(arguments.get_ref<const std::string&>()).value_or(arguments);
}

// name -> the schema of its parameters. nullopt for a column that is not a list of tools.
std::optional<std::map<std::string, json>> ReadTools(const json& column) {
  if (!column.is_array()) return std::nullopt;
  std::map<std::string, json> tools;
  for (const json& tool : column) {
    const json& function = tool.is_object() && tool.contains("function") ? tool["function"] : tool;
    if (!function.is_object() || !function.value("name", json()).is_string()) return std::nullopt;
    tools[function["name"]] = function.value("parameters", json::object());
  }
  return tools;
}

class ToolCallGrader final : public Grader {
 public:
  explicit ToolCallGrader(const Options& options)
      : column_(options.Text("column", "tools")),
        match_answer_(options.OneOf("match", "schema", {"schema", "answer"}) == "answer") {}

  Grade Score(const Sample& sample, const Budget& budget) const override {
    const auto tools = ReadTools(JsonColumn(sample.columns_json(), column_));
    if (!tools.has_value()) {
      return Failed(STATUS_UNPARSEABLE, "column '" + column_ + "' is not a list of tools");
    }
    std::optional<std::vector<json>> wanted;
    if (match_answer_ && !(wanted = ReadCalls(sample.answer())).has_value()) {
      return Failed(STATUS_UNPARSEABLE, "the answer is not a call");
    }
    const auto text = AfterReasoning(sample.completion());
    if (!text.has_value()) return {0, STATUS_OK, "the reasoning was never closed"};
    const auto calls = ReadCalls(*text);
    if (!calls.has_value() || calls->empty()) return {0, STATUS_OK, "no call in the completion"};
    for (const json& call : *calls) {
      const Grade grade = ScoreCall(*tools, call, budget);
      if (grade.status != STATUS_OK || grade.score < 1) return grade;
    }
    if (wanted.has_value()) return Compare(*calls, *wanted);
    return {1, STATUS_OK, std::to_string(calls->size()) + " valid"};
  }

 private:
  static Grade ScoreCall(const std::map<std::string, json>& tools, const json& call,
                         const Budget& budget) {
    const std::string name = call.at("name");
    const auto tool = tools.find(name);
    if (tool == tools.end()) return {0, STATUS_OK, "no tool " + Quote(name)};
    const json arguments = ArgumentsOf(call);
    if (!arguments.is_object()) return {0, STATUS_OK, name + ": the arguments are no object"};
    try {
      const JsonSchema::Result result = JsonSchema(tool->second).Check(arguments, budget);
      if (result.outcome == JsonSchema::Validity::kTooMuchWork) {
        return Failed(STATUS_TIMEOUT, name + ": " + result.why);
      }
      if (result.outcome == JsonSchema::Validity::kInvalid) {
        return {0, STATUS_OK, name + ": " + result.why};
      }
    } catch (const std::exception& error) {
      return Failed(STATUS_UNPARSEABLE, "tool " + Quote(name) + ": " + error.what());
    }
    return {1, STATUS_OK, ""};
  }

  // The same calls in the same order, whatever the order of their arguments.
  static Grade Compare(const std::vector<json>& calls, const std::vector<json>& wanted) {
    if (calls.size() != wanted.size()) {
      return {0, STATUS_OK,
              std::to_string(calls.size()) + " calls, expected " + std::to_string(wanted.size())};
    }
    for (size_t i = 0; i < calls.size(); ++i) {
      if (calls[i].at("name") != wanted[i].at("name") ||
          ArgumentsOf(calls[i]) != ArgumentsOf(wanted[i])) {
        return {0, STATUS_OK, "call " + std::to_string(i + 1) + " is another one than expected"};
      }
    }
    return {1, STATUS_OK, ""};
  }

  std::string column_;
  bool match_answer_;
};

}  // namespace

RewardInfo ToolCallReward() {
  return {"tool_call",
          "1 when every call of the completion names a tool of the dataset and its arguments fit "
          "the tool's schema, else 0",
          {{"column",
            "the dataset column with the tools, as OpenAI's interface lists them "
            "(default tools)"},
           {"match", "schema (default), or answer: the calls must also be the answer's"}},
          [](const Options& options) { return std::make_unique<ToolCallGrader>(options); }};
}

}  // namespace cohort::reward
