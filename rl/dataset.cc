#include "rl/dataset.h"

#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/nearest_name.h"
#include "rl/counter_random.h"
#include "rl/text_pattern.h"

namespace cohort::rl {
namespace {

using base::Json;

std::string ListOf(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

// Text of a column; numbers and booleans become their JSON text ("answer": 42).
std::string TextOf(const Json& value, const std::string& column) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
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
                  " (there are: " + ListOf(names) + ")",
              std::string("data.") + recipe_key + "=NAME says which column it is");
}

void CheckMessages(const Json& messages) {
  if (!messages.is_array() || messages.empty()) {
    throw Error(ErrorCode::kUsage, "'messages' must be a list of at least one turn");
  }
  for (const Json& turn : messages) {
    if (!turn.is_object() || !turn.contains("role") || !turn.at("role").is_string() ||
        !turn.contains("content") || !turn.at("content").is_string()) {
      throw Error(ErrorCode::kUsage,
                  "every turn of 'messages' must have a text 'role' and a text 'content'");
    }
  }
}

void AddInstruction(const proto::Data& data, Json* messages) {
  if (data.instruction().empty()) return;
  messages->push_back({{"role", "system"}, {"content", data.instruction()}});
}

class RowReader {
 public:
  RowReader(const proto::Data& data, RowKind kind) : data_(data), kind_(kind) {
    if (!data.strip_pattern().empty()) {
      strip_.emplace(data.strip_pattern(), "data.strip_pattern");
    }
  }

  Problem Read(const Json& row) const {
    Problem problem;
    if (row.contains("messages") && !row.contains(data_.prompt_field())) {
      ReadMessages(row.at("messages"), &problem);
    } else {
      ReadPrompt(row, &problem);
    }
    if (row.contains(data_.completion_field())) {
      problem.completion = TextOf(row.at(data_.completion_field()), data_.completion_field());
    }
    if (strip_) problem.completion = strip_->RemoveFrom(problem.completion);
    if (kind_ == RowKind::kDemonstration) CheckDemonstration(row, problem);
    ReadAnswer(row, &problem);
    for (const auto& [key, value] : row.items()) {
      const bool taken = key == "messages" || key == data_.prompt_field() ||
                         key == data_.answer_field() || key == data_.completion_field();
      if (!taken) problem.columns[key] = value;
    }
    return problem;
  }

 private:
  // Training rows may have a demonstration instead; held-out ones are graded against the answer.
  void ReadAnswer(const Json& row, Problem* problem) const {
    const std::string& column = data_.answer_field();
    const bool needed = kind_ == RowKind::kHeldOut || problem->completion.empty();
    if (needed || row.contains(column)) {
      problem->answer = TextOf(Column(row, column, "answer_field"), column);
    }
  }

  void CheckDemonstration(const Json& row, const Problem& problem) const {
    if (!problem.completion.empty()) return;
    const std::string& column = data_.completion_field();
    if (!row.contains("messages")) Column(row, column, "completion_field");
    throw Error(ErrorCode::kUsage,
                "an sft round needs demonstrations, and this row has an empty one",
                "name their column with data.completion_field, or leave the sft round out");
  }

  void ReadPrompt(const Json& row, Problem* problem) const {
    const std::string& column = data_.prompt_field();
    problem->prompt = TextOf(Column(row, column, "prompt_field"), column);
    PoseQuestion(data_, problem);
  }

  void ReadMessages(const Json& messages, Problem* problem) const {
    CheckMessages(messages);
    problem->messages = Json::array();
    if (messages.front().at("role") != "system") AddInstruction(data_, &problem->messages);
    for (const Json& turn : messages) problem->messages.push_back(turn);
    if (messages.back().at("role") == "assistant") {
      problem->completion = messages.back().at("content").get<std::string>();
      problem->messages.erase(problem->messages.size() - 1);
    }
    for (const Json& turn : problem->messages) {
      if (turn.at("role") == "user") problem->prompt = turn.at("content").get<std::string>();
    }
    if (problem->messages.empty()) {
      throw Error(ErrorCode::kUsage, "'messages' holds an assistant turn and no question");
    }
  }

  const proto::Data& data_;
  RowKind kind_;
  std::optional<TextPattern> strip_;
};

}  // namespace

void PoseQuestion(const proto::Data& data, Problem* problem) {
  if (data.chat()) {
    problem->messages = Json::array();
    AddInstruction(data, &problem->messages);
    problem->messages.push_back({{"role", "user"}, {"content", problem->prompt}});
  } else if (!data.instruction().empty()) {
    problem->prompt = data.instruction() + "\n" + problem->prompt;
  }
}

std::vector<Problem> LoadProblems(const proto::Data& data, const std::filesystem::path& path,
                                  RowKind kind) {
  const RowReader reader(data, kind);
  std::vector<Problem> problems;
  base::ForEachJsonLine(path, [&](const Json& row, int) { problems.push_back(reader.Read(row)); });
  if (problems.empty()) {
    throw Error(ErrorCode::kUsage, path.string() + ": expected one JSON object a line, found none");
  }
  return problems;
}

ProblemStream::ProblemStream(uint64_t size, uint64_t seed)
    : size_(size), seed_(seed), cached_epoch_(UINT64_MAX) {
  COHORT_CHECK(size >= 1, "a stream over no problems");
}

uint64_t ProblemStream::At(uint64_t position) {
  constexpr uint64_t kShuffle = 1;  // this class's own random stream
  const uint64_t epoch = position / size_;
  if (epoch != cached_epoch_) {
    order_.resize(size_);
    std::iota(order_.begin(), order_.end(), uint64_t{0});
    CounterRandom random(seed_, kShuffle, epoch);
    for (uint64_t i = size_ - 1; i > 0; --i) {  // Fisher-Yates
      std::swap(order_[i], order_[random.Uniform(0, static_cast<int64_t>(i))]);
    }
    cached_epoch_ = epoch;
  }
  return order_[position % size_];
}

}  // namespace cohort::rl
