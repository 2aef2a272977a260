// tool_call: the completion calls tools that it was given, with arguments that fit them.

#include <algorithm>

#include "reward/registry.h"
#include "reward/structured/json_order.h"
#include "reward/structured/json_schema.h"
#include "reward/structured/json_text.h"
#include "reward/structured/tool_calls.h"
#include "reward/text/answer_text.h"

namespace cohort::reward {
namespace {

using nlohmann::json;

// The schema of a tool's arguments, which has no others unless it says so.
json ClosedSchema(json schema) {
  if (schema.is_null()) schema = json::object();
  const bool says_so = !schema.is_object() || schema.contains("additionalProperties") ||
                       schema.contains("unevaluatedProperties");
  if (says_so) return schema;
  const bool is_old = schema.value("$schema", "").find("draft-0") != std::string::npos;
  schema[is_old ? "additionalProperties" : "unevaluatedProperties"] = false;
  return schema;
}

json OpenSchema(const json& schema) { return schema.is_null() ? json::object() : schema; }

// name -> the schema of its parameters. nullopt for a column that is not a list of tools.
std::optional<ToolSchemas> ReadTools(const json& column) {
  if (!column.is_array()) return std::nullopt;
  ToolSchemas tools;
  for (const json& tool : column) {
    const json& function = tool.is_object() && tool.contains("function") ? tool["function"] : tool;
    if (!function.is_object() || !function.value("name", json()).is_string()) return std::nullopt;
    const char* const key = function.contains("input_schema") ? "input_schema" : "parameters";
    tools[function["name"]] = function.value(key, json());
  }
  return tools;
}

class ToolCallGrader final : public Grader {
 public:
  explicit ToolCallGrader(const Options& options)
      : column_(options.Text("column", "tools")),
        refuse_unknown_(options.OneOf("unknown_arguments", "refuse", {"refuse", "allow"}) ==
                        "refuse"),
        match_answer_(options.OneOf("match", "schema", {"schema", "answer"}) == "answer") {}

  Grade Score(const Sample& sample, const Budget& budget) const override {
    const auto tools = ReadTools(JsonColumn(sample.columns_json(), column_));
    if (!tools.has_value()) {
      return Failed(STATUS_UNPARSEABLE, "column '" + column_ + "' is not a list of tools");
    }
    std::optional<std::vector<ToolCall>> wanted;
    if (match_answer_ && !(wanted = ReadAnswer(sample.answer(), *tools)).has_value()) {
      return Failed(STATUS_UNPARSEABLE, "the answer is not a call");
    }
    const bool none_wanted = wanted.has_value() && wanted->empty();
    const auto text = AfterReasoning(sample.completion());
    if (!text.has_value()) return {0, STATUS_OK, "the reasoning was never closed"};
    const auto calls = ReadToolCalls(*text, *tools);
    if (!calls.has_value() || calls->empty()) {
      return {none_wanted ? 1.0 : 0.0, STATUS_OK, "no call in the completion"};
    }
    for (const ToolCall& call : *calls) {
      const Grade grade = ScoreCall(*tools, call, budget);
      if (grade.status != STATUS_OK || grade.score < 1) return grade;
    }
    if (wanted.has_value()) return Compare(*calls, *wanted);
    return {1, STATUS_OK, std::to_string(calls->size()) + " valid"};
  }

 private:
  // [] says that no tool is to be called.
  static std::optional<std::vector<ToolCall>> ReadAnswer(const std::string& answer,
                                                         const ToolSchemas& tools) {
    const auto json = ParseJsonText(answer);
    if (json.has_value() && json->is_array() && json->empty()) return std::vector<ToolCall>();
    return ReadToolCalls(answer, tools);
  }

  Grade ScoreCall(const ToolSchemas& tools, const ToolCall& call, const Budget& budget) const {
    const auto tool = tools.find(call.name);
    if (tool == tools.end()) return {0, STATUS_OK, "no tool " + Quote(call.name)};
    const std::string& name = tool->first;
    if (!call.arguments.is_object()) {
      return {0, STATUS_OK, name + ": the arguments are no object"};
    }
    try {
      const JsonSchema schema(refuse_unknown_ ? ClosedSchema(tool->second)
                                              : OpenSchema(tool->second));
      const JsonSchema::Result result = schema.Check(call.arguments, budget);
      switch (result.outcome) {
        case JsonSchema::Validity::kValid:
          return {1, STATUS_OK, ""};
        case JsonSchema::Validity::kInvalid:
          return {0, STATUS_OK, name + ": " + result.why};
        case JsonSchema::Validity::kTooMuchWork:
          return Failed(STATUS_TIMEOUT, name + ": " + result.why);
        case JsonSchema::Validity::kEndless:
          return Failed(STATUS_UNPARSEABLE, "tool " + Quote(name) + ": " + result.why);
      }
    } catch (const std::exception& error) {
      return Failed(STATUS_UNPARSEABLE, "tool " + Quote(name) + ": " + error.what());
    }
    return Failed(STATUS_ERROR, "an unknown outcome");
  }

  // The same calls, in whatever order they and their arguments are.
  static Grade Compare(const std::vector<ToolCall>& calls, std::vector<ToolCall> wanted) {
    if (calls.size() != wanted.size()) {
      return {0, STATUS_OK,
              std::to_string(calls.size()) + " calls, expected " + std::to_string(wanted.size())};
    }
    for (size_t i = 0; i < calls.size(); ++i) {
      const auto same = std::find_if(wanted.begin(), wanted.end(), [&](const ToolCall& one) {
        return one.name == calls[i].name && CompareJson(one.arguments, calls[i].arguments) == 0;
      });
      if (same == wanted.end()) {
        return {0, STATUS_OK, "call " + std::to_string(i + 1) + " is another one than expected"};
      }
      wanted.erase(same);
    }
    return {1, STATUS_OK, ""};
  }

  std::string column_;
  bool refuse_unknown_;
  bool match_answer_;
};

}  // namespace

RewardInfo ToolCallReward() {
  return {
      "tool_call",
      "1 when every call of the completion, in any family's format, names a tool of the dataset "
      "and its arguments fit the tool's schema, else 0",
      {{"column",
        "the dataset column with the tools, as OpenAI's interface lists them "
        "(default tools)"},
       {"unknown_arguments",
        "refuse (default) or allow arguments that the tool's schema does not name"},
       {"match", "schema (default), or answer: the calls must also be the answer's, in any order"}},
      [](const Options& options) { return std::make_unique<ToolCallGrader>(options); }};
}

}  // namespace cohort::reward
