#include "rl/commands/grade_sample.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/error.h"
#include "base/json_lines.h"

namespace cohort::rl {
namespace {

using base::Json;

// Bare code as a response that holds nothing else, behind a fence longer than any in it.
std::string Fenced(const std::string& code) {
  size_t longest = 2;
  for (size_t i = 0, run = 0; i < code.size(); ++i) {
    run = code[i] == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  return fence + "\n" + code + "\n" + fence + "\n";
}

}  // namespace

std::string TextOf(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : base::DumpJson(value);
}

reward::Sample RecordToSample(const Json& record) {
  static const std::set<std::string> kNoColumns = {
      "prompt",         "completion", "pred",    "answer",    "columns",       "group_id",
      "sample_id",      "reward",     "rewards", "advantage", "tokens",        "finish_reason",
      "policy_version", "step",       "round",   "phase",     "reward_detail", "id"};
  const std::string completion = record.contains("completion") ? "completion" : "pred";
  if (!record.contains(completion)) {
    throw Error(ErrorCode::kUsage, "the field 'completion' is missing: nothing to score");
  }
  Json columns = record.value("columns", Json::object());
  for (const auto& [name, value] : record.items()) {
    if (!kNoColumns.contains(name)) columns[name] = value;
  }
  reward::Sample sample;
  sample.set_prompt(TextOf(record.value("prompt", Json())));
  sample.set_completion(TextOf(record.value(completion, Json())));
  sample.set_answer(TextOf(record.value("answer", Json())));
  if (record.contains("tokens") && record["tokens"].is_number_unsigned()) {
    sample.set_completion_tokens(record["tokens"].get<uint32_t>());
  }
  sample.set_columns_json(base::DumpJson(columns));
  return sample;
}

reward::Sample ToSample(const Json& row) {
  if (row.contains("completion") && !row.contains("pred") && !row.contains("gold")) {
    return RecordToSample(row);
  }
  static const std::vector<std::string> kCompletions = {"pred", "answer", "code"};
  reward::Sample sample;
  Json columns = Json::object();
  std::string completion_field;
  for (const std::string& field : kCompletions) {
    if (completion_field.empty() && row.contains(field)) completion_field = field;
  }
  if (completion_field.empty()) {
    throw Error(ErrorCode::kUsage,
                "neither 'pred' nor 'answer' nor 'code' is there: nothing to grade");
  }
  for (const auto& [name, value] : row.items()) {
    if (name == completion_field) {
      sample.set_completion(name == "code" ? Fenced(TextOf(value)) : TextOf(value));
      sample.set_extracted(name == "answer");
    } else if (name == "gold") {
      sample.set_answer(TextOf(value));
    } else if (name == "prompt") {
      sample.set_prompt(TextOf(value));
    } else if (name != "id") {
      columns[name] = value;
    }
  }
  const auto tokens = row.find("tokens");  // as a run's samples.jsonl has it
  if (tokens != row.end() && tokens->is_number_unsigned()) {
    sample.set_completion_tokens(tokens->get<uint32_t>());
  }
  sample.set_columns_json(base::DumpJson(columns));
  return sample;
}

}  // namespace cohort::rl
