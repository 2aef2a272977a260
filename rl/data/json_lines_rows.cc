#include "rl/data/json_lines_rows.h"

#include <optional>

#include "base/error.h"
#include "base/exact_json.h"
#include "base/json_lines.h"
#include "base/nearest_name.h"
#include "base/regex.h"
#include "rl/data/prompt_template.h"

namespace cohort::rl {
namespace {

using base::Json;
using base::OrderedJson;

// Text of a column; numbers and booleans become their JSON text ("answer": 42).
std::string TextOf(const Json& value, const std::string& column) {
  if (value.is_string()) return value.get<std::string>();
  const bool number = value.is_number() || base::BigIntegerDigits(value).has_value();
  if (number || value.is_boolean()) return base::DumpExactJson(value);
  throw Error(ErrorCode::kUsage,
              "column '" + column + "' must be a text or a number, not " + value.type_name());
}

const Json& Column(const Json& row, const std::string& column, const char* recipe_key) {
  const auto found = row.find(column);
  if (found != row.end()) return *found;
  std::vector<std::string> names;
  for (const auto& [key, value] : row.items()) names.push_back(key);
  throw Error(ErrorCode::kUsage,
              "no column '" + column + "'" + base::DidYouMean(column, names) +
                  " (there are: " + base::CommaSeparated(names) + ")",
              std::string("data.") + recipe_key + "=NAME says which column it is");
}

void CheckMessages(const OrderedJson& messages) {
  if (!messages.is_array() || messages.empty()) {
    throw Error(ErrorCode::kUsage, "'messages' must be a list of at least one turn");
  }
  for (const OrderedJson& turn : messages) {
    const bool has_role = turn.is_object() && turn.contains("role") && turn["role"].is_string();
    const bool calls = has_role && turn["role"] == "assistant" && turn.contains("tool_calls") &&
                       (!turn.contains("content") || turn["content"].is_null());
    if (!has_role || (!calls && (!turn.contains("content") || !turn["content"].is_string()))) {
      throw Error(ErrorCode::kUsage,
                  "every turn of 'messages' must have a text 'role' and a text 'content'");
    }
  }
}

std::string ContentOf(const OrderedJson& turn) {
  return turn.contains("content") && turn["content"].is_string() ? turn["content"] : "";
}

base::Regex StripPattern(const std::string& pattern) {
  auto compiled = base::Regex::Compile(pattern, {.unicode_classes = false});
  if (const auto* fault = std::get_if<base::RegexFault>(&compiled)) {
    throw Error(ErrorCode::kUsage, "data.strip_pattern '" + pattern +
                                       "' is no regular expression: " + fault->message +
                                       " at character " + std::to_string(fault->offset));
  }
  return std::get<base::Regex>(std::move(compiled));
}

// An object, or one written as a text, as tables keep it.
OrderedJson ReadTemplateKwargs(const OrderedJson& value) {
  OrderedJson kwargs = value;
  if (value.is_string()) {
    kwargs = base::ParseExactOrderedJson(value.get_ref<const std::string&>());
  }
  if (kwargs.is_object() || kwargs.is_null()) return kwargs;
  throw Error(ErrorCode::kUsage,
              "chat_template_kwargs is " + base::DumpJson(Json(value)) + "; expected an object");
}

class RowReader {
 public:
  RowReader(const proto::Data& data, RowKind kind) : data_(data), kind_(kind) {
    if (!data.strip_pattern().empty()) strip_ = StripPattern(data.strip_pattern());
  }

  Problem Read(const OrderedJson& ordered) const {
    Problem problem;
    const Json row = ordered;
    if (ordered.contains("tools")) problem.tools = ordered.at("tools");
    if (ordered.contains("chat_template_kwargs")) {
      problem.chat_template_kwargs = ReadTemplateKwargs(ordered.at("chat_template_kwargs"));
    }
    AddTemplateInputs(data_, &problem);
    if (row.contains("messages") && !row.contains(data_.prompt_field())) {
      ReadMessages(ordered.at("messages"), &problem);
    } else {
      ReadPrompt(row, &problem);
    }
    if (row.contains(data_.completion_field())) {
      problem.completion = TextOf(row.at(data_.completion_field()), data_.completion_field());
    }
    Strip(&problem);
    if (kind_ == RowKind::kDemonstration) CheckDemonstration(row, problem);
    ReadAnswer(row, &problem);
    for (const auto& [key, value] : row.items()) {
      // These names are prompt, answer and completion to every reward anyway.
      const bool told = (key == "prompt" && key == data_.prompt_field()) ||
                        (key == "answer" && key == data_.answer_field()) ||
                        (key == "completion" && key == data_.completion_field());
      if (!told && key != "messages") problem.columns[key] = value;
    }
    return problem;
  }

 private:
  static bool Demonstrates(const Problem& problem) {
    const bool calls = problem.last_turn.is_object() && problem.last_turn.contains("tool_calls");
    return !problem.completion.empty() || calls;
  }

  // Training rows may have a demonstration instead; held-out ones are graded against the answer, or
  // by their tests.
  void ReadAnswer(const Json& row, Problem* problem) const {
    const std::string& column = data_.answer_field();
    const bool tested =
        row.contains("tests") || row.contains("test_list") || row.contains("entry_point");
    const bool needed = !tested && (kind_ == RowKind::kHeldOut || !Demonstrates(*problem));
    if (needed || row.contains(column)) {
      problem->answer = TextOf(Column(row, column, "answer_field"), column);
    }
  }

  void Strip(Problem* problem) const {
    if (!strip_) return;
    problem->completion = strip_->RemoveMatches(problem->completion);
    if (kind_ != RowKind::kDemonstration || !problem->messages.is_array()) return;
    for (OrderedJson& turn : problem->messages) {
      if (turn["role"] == "assistant") turn["content"] = strip_->RemoveMatches(ContentOf(turn));
    }
  }

  void CheckDemonstration(const Json& row, const Problem& problem) const {
    if (Demonstrates(problem)) return;
    const std::string& column = data_.completion_field();
    if (!row.contains("messages")) Column(row, column, "completion_field");
    throw Error(ErrorCode::kUsage,
                "an sft round needs demonstrations, and this row has an empty one",
                "name their column with data.completion_field, or leave the sft round out");
  }

  void ReadPrompt(const Json& row, Problem* problem) const {
    const std::string& column = data_.prompt_field();
    problem->question = TextOf(Column(row, column, "prompt_field"), column);
    const std::string& text = data_.prompt_template();
    problem->prompt = text.empty() ? problem->question : FillTemplate(text, row);
    PoseQuestion(data_, problem);
  }

  void ReadMessages(const OrderedJson& messages, Problem* problem) const {
    CheckMessages(messages);
    problem->messages = OrderedJson::array();
    if (messages.front().at("role") != "system") AddInstruction(data_, problem);
    for (const OrderedJson& turn : messages) problem->messages.push_back(turn);
    if (messages.back().at("role") == "assistant") {
      problem->last_turn = messages.back();
      problem->completion = ContentOf(messages.back());
      problem->messages.erase(problem->messages.size() - 1);
    }
    for (const OrderedJson& turn : problem->messages) {
      if (turn.at("role") == "user") problem->prompt = ContentOf(turn);
    }
    problem->question = problem->prompt;
    if (problem->messages.empty()) {
      throw Error(ErrorCode::kUsage, "'messages' holds an assistant turn and no question");
    }
  }

  const proto::Data& data_;
  RowKind kind_;
  std::optional<base::Regex> strip_;
};

}  // namespace

LoadedRows LoadProblems(const proto::Data& data, const std::filesystem::path& path, RowKind kind) {
  const RowReader reader(data, kind);
  LoadedRows rows{{}, {path.string(), data.max_unreadable_share()}};
  base::ForEachOrderedJsonLine(
      path,
      [&](const OrderedJson& row, int line) {
        rows.problems.push_back(reader.Read(row));
        rows.problems.back().place = path.string() + ":" + std::to_string(line);
      },
      [&](const Error& error) { rows.unreadable.Add(error); });
  rows.unreadable.Check(rows.problems.size());
  if (rows.problems.empty()) {
    throw Error(ErrorCode::kUsage, path.string() + ": expected one JSON object a line, found none");
  }
  return rows;
}

}  // namespace cohort::rl
